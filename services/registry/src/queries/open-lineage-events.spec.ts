import { describe, expect, test } from '@jest/globals';
import { lineageEvents, type LineageDecision } from './open-lineage-events.js';
import { uuidOf } from './open-lineage-facets.js';

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

  const source = {
    kind: 'Source',
    name: 'flights',
    version: 2,
    spec: { topic: 'air.flights', eventTime: 'at', schema: { at: 'DateTime64(3)', delay: 'Int32', origin: 'String' } },
  };
  const delays = {
    kind: 'FeatureView',
    name: 'delays',
    version: 3,
    spec: {
      source: 'flights',
      entity: 'origin',
      features: [
        { name: 'n', aggregate: 'count', window: '1h' },
        { name: 'mean_6h', aggregate: 'mean', column: 'delay', window: '6h' },
        { name: 'last_delay', aggregate: 'last', column: 'delay' },
        { name: 'share', expression: "mean_6h / nullif(n, 0) + length('last_delay')" },
      ],
    },
  };
  const requested = {
    trainingSetId: 'ts2',
    featureService: 'fs',
    positions: { 'air.flights': [7] },
    spine: { kind: 'predictions', deployment: 'late' },
    features: [
      { view: 'delays', feature: 'mean_6h', column: 'delays__mean_6h' },
      { view: 'delays', feature: 'n', column: 'n' },
    ],
    definitions: [{ view: { name: 'delays', ...delays.spec }, entity: {}, source: { name: 'flights', ...source.spec } }],
  };
  const bodiesOf = (one: LineageDecision, earlier: LineageDecision[] = []) =>
    lineageEvents(one, () => earlier, 'ns').map(({ id, body }) => ({ id, body: body as Record<string, Record<string, unknown>> }));
  const facetsOf = (dataset: unknown) => (dataset as { facets: Record<string, Record<string, unknown>> }).facets;

  test('sources are datasets, views jobs from columns to features, and services jobs from views', () => {
    const [told] = bodiesOf(decision('resources', 'resource/Source/flights', 2, 'ResourceApplied', source));
    expect(told?.body['dataset']).toMatchObject({
      name: 'sources/flights',
      facets: {
        version: { datasetVersion: '2' },
        schema: { fields: [{ name: 'at' }, { name: 'delay', type: 'Int32' }, { name: 'origin' }] },
        symlinks: { identifiers: [{ name: 'topics/air.flights', type: 'TOPIC' }] },
      },
    });
    const [job, run] = bodiesOf(decision('resources', 'resource/FeatureView/delays', 3, 'ResourceApplied', delays));
    expect([job?.body['job']?.['name'], run?.body['job']?.['name'], run?.body['eventType']]).toEqual([
      'feature-views/delays',
      'feature-views/delays/online',
      'START',
    ]);
    expect([names(job?.body['inputs']), names(job?.body['outputs']), names(run?.body['outputs'])]).toEqual([
      ['sources/flights'],
      ['feature-views/delays'],
      ['online-store/delays'],
    ]);
    const made = (subtype: string) => ({
      inputFields: [{ namespace: 'ns', name: 'sources/flights', field: 'delay', transformations: [{ type: 'DIRECT', subtype }] }],
    });
    const [output] = job?.body['outputs'] as unknown as unknown[];
    expect(facetsOf(output)['columnLineage']?.['fields']).toEqual({
      mean_6h: made('AGGREGATION'),
      last_delay: made('IDENTITY'),
      share: made('TRANSFORMATION'),
    });
    expect(job?.id).not.toBe(run?.id);
    const offline = { ...delays, spec: { ...delays.spec, online: false } };
    expect(bodiesOf(decision('resources', 'resource/FeatureView/delays', 4, 'ResourceApplied', offline))).toHaveLength(1);
    const service = { kind: 'FeatureService', name: 'fs', version: 1, spec: { features: ['delays@3:n', 'airports'] } };
    const [told2] = bodiesOf(decision('resources', 'resource/FeatureService/fs', 1, 'ResourceApplied', service));
    expect([names(told2?.body['inputs']), names(told2?.body['outputs'])]).toEqual([
      ['feature-views/delays', 'feature-views/airports'],
      ['feature-services/fs'],
    ]);
    const deployment = { kind: 'Deployment', name: 'late', spec: { model: 'models:/delay/1', featureService: 'fs@1' } };
    const [told3] = bodiesOf(decision('resources', 'resource/Deployment/late', 2, 'ResourceApplied', deployment));
    expect(names(told3?.body['inputs'])).toEqual(['models/delay/1', 'feature-services/fs']);
    const [gone] = bodiesOf(decision('resources', 'resource/Source/flights', 3, 'ResourceDeleted', { kind: 'Source', name: 'flights' }));
    expect(facetsOf(gone?.body['dataset'])['lifecycleStateChange']).toMatchObject({ lifecycleStateChange: 'DROP' });
  });

  test('a view computed on demand is made of the features it names, and rows have a topic of their own', () => {
    const spec = {
      inputs: ['delays:mean_6h', 'airports@2:runways', 'delays:n'],
      request: { minutes: 'Int32' },
      features: [{ name: 'load', expression: "mean_6h * minutes / airports__runways + length('n')" }],
    };
    const told = bodiesOf(
      decision('resources', 'resource/FeatureView/load', 1, 'ResourceApplied', { kind: 'FeatureView', name: 'load', version: 1, spec }),
    );
    expect(told.map(({ body }) => [body['job']?.['name'], names(body['inputs']), names(body['outputs'])])).toEqual([
      ['feature-views/load', ['feature-views/delays', 'feature-views/airports'], ['feature-views/load']],
    ]);
    const [output] = told[0]?.body['outputs'] as unknown as unknown[];
    const fields = facetsOf(output)['columnLineage']?.['fields'] as { load: { inputFields: { name: string; field: string }[] } };
    expect(fields.load.inputFields.map(({ name, field }) => `${name}:${field}`)).toEqual([
      'feature-views/delays:mean_6h',
      'feature-views/airports:runways',
    ]);
    const rows = { ...source, spec: { query: 'SELECT 1', eventTime: 'at', schema: source.spec.schema } };
    const [batch] = bodiesOf(decision('resources', 'resource/Source/flights', 4, 'ResourceApplied', rows));
    expect(facetsOf(batch?.body['dataset'])['symlinks']).toMatchObject({
      identifiers: [{ name: 'topics/millrace.features.sources.flights' }],
    });
  });

  test('a materialization is a run that ends as it ended', () => {
    const subject = 'materialization/flights';
    const about = { materializationId: 'm1', source: 'flights' };
    const started = decision('features', subject, 1, 'MaterializationStarted', { ...about, version: 2, from: null, to: 9, runner: 'r' });
    const told = [
      ...bodiesOf(started),
      ...bodiesOf(decision('features', subject, 3, 'MaterializationFinished', about), [started]),
      ...bodiesOf(decision('features', subject, 3, 'MaterializationFailed', { ...about, message: 'no such table' }), [started]),
      ...bodiesOf(decision('features', subject, 3, 'MaterializationCancelled', about), [started]),
      ...bodiesOf(decision('features', subject, 3, 'MaterializationCancelled', { ...about, materializationId: 'm0' }), [started]),
    ].map(({ body }) => body);
    expect(told.map((body) => [body['eventType'], body['job']?.['name'], names(body['outputs'])])).toEqual(
      ['START', 'COMPLETE', 'FAIL', 'ABORT'].map((type) => [type, 'sources/flights/materialization', ['sources/flights']]),
    );
    expect(new Set(told.map((body) => body['run']?.['runId'])).size).toBe(1);
    expect(told[2]?.['run']).toMatchObject({ facets: { errorMessage: { message: 'no such table' } } });
  });

  test('a training set has its columns, what its features are made of, and where its rows came from', () => {
    const asked = decision('features', 'training-set/ts2', 1, 'TrainingSetRequested', requested);
    const columns = [
      { name: 'asked', type: 'DateTime64(3)' },
      { name: 'delays__mean_6h', type: 'Nullable(Float64)' },
    ];
    const built = decision('features', 'training-set/ts2', 2, 'TrainingSetBuilt', { sha256: 'cc', rows: 3, columns });
    const [told] = bodiesOf(built, [asked]);
    expect(names(told?.body['inputs'])).toEqual(['sources/flights', 'feature-views/delays', 'predictions/late']);
    const [output] = told?.body['outputs'] as unknown as unknown[];
    expect(facetsOf(output)['schema']?.['fields']).toEqual(columns);
    expect(Object.keys(facetsOf(output)['columnLineage']?.['fields'] as object)).toEqual(['delays__mean_6h']);
  });
});
