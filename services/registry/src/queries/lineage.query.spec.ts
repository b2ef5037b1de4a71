import { expect, test } from '@jest/globals';
import { lineageOf, type LineageDirection, type LineageSource } from './lineage.query.js';

const march = { name: 'march', digest: 'd1' };
const source: LineageSource = {
  versions: () => [
    { model: 'delay', version: 1, runId: 'r1', deployments: [] },
    { model: 'delay', version: 2, runId: 'r2', deployments: ['delays'] },
    { model: 'delay', version: 3, runId: null, deployments: [], derivedFrom: { model: 'delay', version: 1 } },
    { model: 'other', version: 1, runId: null, deployments: ['others'] },
  ],
  async *runs() {
    yield { runId: 'r1', name: 'first', datasets: [march], trainingSets: [], featureServices: [] };
    yield { runId: 'r2', name: 'second', datasets: [march], trainingSets: ['t1'], featureServices: ['delay_model@3'] };
  },
  sources: () => ['flights', 'unused'],
  views: () => [
    { name: 'delays', version: 1, source: 'flights', inputs: [] },
    { name: 'delays', version: 2, source: 'flights', inputs: [] },
    { name: 'weather', version: 1, source: 'stations', inputs: [] },
    {
      name: 'risk',
      version: 1,
      source: undefined,
      inputs: [
        { name: 'snow', version: 1 },
        { name: 'weather', version: 1 },
      ],
    },
    { name: 'snow', version: 1, source: 'snowfall', inputs: [] },
  ],
  services: () => [
    { name: 'delay_model', version: 2, views: [{ name: 'delays', version: 1 }] },
    { name: 'delay_model', version: 3, views: [{ name: 'delays', version: 1 }] },
    {
      name: 'delay_model',
      version: 4,
      views: [
        { name: 'delays', version: 2 },
        { name: 'weather', version: 1 },
      ],
    },
  ],
  servingFeatures: () => [
    { deployment: 'delays', featureService: 'delay_model@3' },
    { deployment: 'others', featureService: 'delay_model' },
  ],
  async *trainingSets() {
    yield { id: 't1', featureService: 'delay_model', version: 3, spineSource: null, spineDeployment: null };
    yield { id: 't2', featureService: 'delay_model', version: null, spineSource: 'labels', spineDeployment: 'delays' };
  },
};
const ids = async (node: string, direction: LineageDirection, depth = 9) => {
  const found = await lineageOf(source, node, direction, depth);
  return found && { ids: found.nodes.map(({ id }) => id).sort(), edges: found.edges.length, truncated: found.truncated };
};

test('from a deployment back to its data, and from data to all that came of it', async () => {
  expect(await ids('deployment:delays', 'upstream')).toEqual({
    ids: [
      'dataset:march@d1',
      'deployment:delays',
      'feature-service:delay_model@3',
      'feature-view:delays@1',
      'run:r2',
      'source:flights',
      'training-set:t1',
      'version:delay/2',
    ],
    edges: 9,
    truncated: false,
  });
  expect(await ids('dataset:march@d1', 'downstream')).toEqual({
    ids: [
      'dataset:march@d1',
      'deployment:delays',
      'run:r1',
      'run:r2',
      'training-set:t2',
      'version:delay/1',
      'version:delay/2',
      'version:delay/3',
    ],
    edges: 7,
    truncated: false,
  });
});

test('both ways are each walked from the node: not back down what came from its ancestors', async () => {
  expect((await ids('version:delay/2', 'both'))?.ids).toEqual([
    'dataset:march@d1',
    'deployment:delays',
    'feature-service:delay_model@3',
    'feature-view:delays@1',
    'run:r2',
    'source:flights',
    'training-set:t1',
    'training-set:t2',
    'version:delay/2',
  ]);
});

test('from a source down to the deployments, each version of a view on its own way', async () => {
  const found = await ids('source:flights', 'downstream');
  expect(found?.ids).toEqual([
    'deployment:delays',
    'deployment:others',
    'feature-service:delay_model@2',
    'feature-service:delay_model@3',
    'feature-service:delay_model@4',
    'feature-view:delays@1',
    'feature-view:delays@2',
    'run:r2',
    'source:flights',
    'training-set:t1',
    'training-set:t2',
    'version:delay/2',
  ]);
  expect((await ids('source:stations', 'downstream'))?.ids).toEqual([
    'deployment:others',
    'feature-service:delay_model@4',
    'feature-view:risk@1',
    'feature-view:weather@1',
    'source:stations',
    'training-set:t2',
  ]);
  // What is computed on demand comes of the views it reads.
  expect((await ids('feature-view:risk', 'upstream'))?.ids).toEqual([
    'feature-view:risk@1',
    'feature-view:snow@1',
    'feature-view:weather@1',
    'source:snowfall',
    'source:stations',
  ]);
  expect((await ids('source:unused', 'both'))?.ids).toEqual(['source:unused']);
});

test('a view or service without a version is the one that is applied; a training set knows where its rows came from', async () => {
  expect((await ids('feature-view:delays', 'upstream'))?.ids).toEqual(['feature-view:delays@2', 'source:flights']);
  expect((await ids('feature-service:delay_model', 'upstream', 1))?.ids).toEqual([
    'feature-service:delay_model@4',
    'feature-view:delays@2',
    'feature-view:weather@1',
  ]);
  expect((await ids('training-set:t2', 'upstream', 1))?.ids).toEqual([
    'deployment:delays',
    'feature-service:delay_model@4',
    'source:labels',
    'training-set:t2',
  ]);
});

test('a version made of another leads to it and to all it rests on', async () => {
  expect((await ids('version:delay/3', 'upstream'))?.ids).toEqual(['dataset:march@d1', 'run:r1', 'version:delay/1', 'version:delay/3']);
  expect((await ids('version:delay/1', 'downstream'))?.ids).toEqual(['version:delay/1', 'version:delay/3']);
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
