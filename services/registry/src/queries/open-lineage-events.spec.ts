import { describe, expect, test } from '@jest/globals';
import { lineageEvents, uuidOf, type LineageDecision } from './open-lineage-events.js';

const RUN = '4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f';
const decision = (domain: string, subject: string, sequence: number, type: string, data: object): LineageDecision => ({
  time: '2026-01-01T00:00:00.000Z',
  actor: 'ann',
  position: `millrace.${domain}.decisions/0@${sequence}`,
  ...{ domain, subject, sequence, type, data },
});

const march = {
  name: 'march',
  digest: 'a1',
  sourceType: 'http',
  source: '{"url": "http://data/march"}',
  schema: null,
  profile: null,
  tags: {},
};
const log = [
  decision('tracking', `run/${RUN}`, 1, 'RunCreated', { runId: RUN, experimentId: '3', name: 'x', tags: {} }),
  decision('tracking', `run/${RUN}`, 2, 'DatasetsLogged', { inputs: [march] }),
  decision('tracking', `run/${RUN}`, 3, 'RunAnnotated', { params: { training_set: 'ts1' }, tags: {} }),
  decision('tracking', `run/${RUN}`, 4, 'RunAnnotated', { params: { alpha: '1' }, tags: {} }),
  decision('tracking', `run/${RUN}`, 5, 'RunFinished', { status: 'FAILED', endTime: null, name: null }),
  decision('registry', 'model/m', 1, 'VersionRegistered', { version: 1, name: 'delay', digest: 'd'.repeat(64), runId: RUN }),
  decision('registry', 'model/m', 2, 'VersionRegistered', { version: 2, name: 'delay', digest: null, runId: null }),
  decision('registry', 'model/m', 3, 'AliasAssigned', { alias: 'champion', version: 1, previous: null }),
  decision('resources', 'resource/Deployment/late', 1, 'ResourceApplied', {
    kind: 'Deployment',
    name: 'late',
    spec: { model: 'models:/delay@champion' },
  }),
  decision('resources', 'resource/Entity/e', 1, 'ResourceApplied', { kind: 'Entity', name: 'e', spec: {} }),
  decision('features', 'training-set/ts1', 1, 'TrainingSetRequested', {
    trainingSetId: 'ts1',
    featureService: 'fs',
    positions: { flights: [1, 0] },
  }),
  decision('features', 'training-set/ts1', 2, 'TrainingSetBuilt', { sha256: 'cc', rows: 3 }),
];

const eventsOf = (one: LineageDecision) =>
  lineageEvents(
    one,
    (domain, subject, before) => log.filter((other) => other.domain === domain && other.subject === subject && other.sequence < before),
    'ns',
  );
const names = (list: unknown) => ((list ?? []) as { name: string }[]).map(({ name }) => name);

describe('what decisions say of lineage', () => {
  test('is told run by run, with what went in and what came out', () => {
    const told = log.flatMap(eventsOf).map(({ body }) => {
      const { eventType, run, job, dataset, inputs, outputs } = body as Record<string, never> & {
        job?: { name: string };
        dataset?: { name: string };
      };
      return [
        eventType ?? (dataset === undefined ? 'job' : 'dataset'),
        (job ?? dataset)?.name,
        names(inputs),
        names(outputs),
        run !== undefined,
      ];
    });
    const experiment = 'experiments/3';
    const set = 'feature-services/fs/training-set';
    expect(told).toEqual([
      ['START', experiment, [], [], true],
      ['RUNNING', experiment, ['datasets/march'], [], true],
      ['RUNNING', experiment, ['training-sets/ts1'], [], true],
      ['FAIL', experiment, ['datasets/march', 'training-sets/ts1'], [], true],
      ['OTHER', experiment, [], ['models/delay/1'], true],
      ['dataset', 'models/delay/2', [], [], false],
      ['dataset', 'models/delay@champion', [], [], false],
      ['job', 'deployments/late', ['models/delay@champion'], [], false],
      ['START', set, ['sources/flights'], [], true],
      ['COMPLETE', set, ['sources/flights'], ['training-sets/ts1'], true],
    ]);
  });

  test('is the same whenever it is made, each with an id of its own', () => {
    const [one, two] = [log.flatMap(eventsOf), log.flatMap(eventsOf)];
    expect(one).toEqual(two);
    expect(new Set(one.map(({ id }) => id)).size).toBe(one.length);
    expect(uuidOf('x')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
