import { expect, test } from '@jest/globals';
import { lineageOf, type LineageDirection, type LineageSource } from './lineage.query.js';

const march = { name: 'march', digest: 'd1' };
const source: LineageSource = {
  versions: () => [
    { model: 'delay', version: 1, runId: 'r1', deployments: [] },
    { model: 'delay', version: 2, runId: 'r2', deployments: ['delays'] },
    { model: 'other', version: 1, runId: null, deployments: ['others'] },
  ],
  async *runs() {
    yield { runId: 'r1', name: 'first', datasets: [march], trainingSets: [], featureServices: [] };
    yield { runId: 'r2', name: 'second', datasets: [march], trainingSets: ['t1'], featureServices: ['delay_model@3'] };
  },
};
const ids = async (node: string, direction: LineageDirection, depth = 9) => {
  const found = await lineageOf(source, node, direction, depth);
  return found && { ids: found.nodes.map(({ id }) => id).sort(), edges: found.edges.length, truncated: found.truncated };
};

test('from a deployment back to its data, and from data to all that came of it', async () => {
  expect(await ids('deployment:delays', 'upstream')).toEqual({
    ids: ['dataset:march@d1', 'deployment:delays', 'feature-service:delay_model@3', 'run:r2', 'training-set:t1', 'version:delay/2'],
    edges: 5,
    truncated: false,
  });
  expect(await ids('dataset:march@d1', 'downstream')).toEqual({
    ids: ['dataset:march@d1', 'deployment:delays', 'run:r1', 'run:r2', 'version:delay/1', 'version:delay/2'],
    edges: 5,
    truncated: false,
  });
});

test('both ways are each walked from the node: not back down what came from its ancestors', async () => {
  expect((await ids('version:delay/2', 'both'))?.ids).toEqual([
    'dataset:march@d1',
    'deployment:delays',
    'feature-service:delay_model@3',
    'run:r2',
    'training-set:t1',
    'version:delay/2',
  ]);
});

test('the depth is a bound that is told; an unknown node is none', async () => {
  expect(await ids('dataset:march@d1', 'downstream', 1)).toEqual({
    ids: ['dataset:march@d1', 'run:r1', 'run:r2'],
    edges: 2,
    truncated: true,
  });
  expect(await ids('version:other/1', 'upstream')).toEqual({ ids: ['version:other/1'], edges: 0, truncated: false });
  expect(await ids('run:none', 'both')).toBeUndefined();
});
