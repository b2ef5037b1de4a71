import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { assigner } from '@millrace/assignment';
import { TOPICS } from '@millrace/contracts';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { differenceInMeans, differenceInProportions, momentsOf } from '@millrace/statistics';
import { tempDir, type TempDir } from '@millrace/testing';
import type { ExperimentResults } from './queries/experiment-results.query.js';
import { ExperimentationModule, experimentationConfig } from './index.js';

const HOUR = 3_600_000;
const START = Date.parse('2026-01-01T00:00:00Z');

describe('experiments on the embedded log and stores', () => {
  let temp: TempDir;
  let service: RunningService;

  beforeAll(async () => {
    temp = await tempDir('experimentation');
    const environment = { MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'error' };
    service = await bootstrap(ExperimentationModule, loadConfig([experimentationConfig], environment));
    const response = await post(
      '/api/v1/apply',
      `
apiVersion: millrace.dev/v1
kind: Experiment
metadata: {name: button}
spec:
  unit: user
  variants: [{name: grey, weight: 1}, {name: blue, weight: 1}]
  metrics:
    - {name: revenue, source: outcome, type: mean}
    - {name: converted, source: outcome, type: proportion}
---
apiVersion: millrace.dev/v1
kind: Experiment
metadata: {name: lopsided}
spec:
  unit: user
  variants: [{name: a, weight: 9}, {name: b, weight: 1}]
---
apiVersion: millrace.dev/v1
kind: Experiment
metadata: {name: few}
spec:
  unit: user
  variants: [{name: a, weight: 1}, {name: b, weight: 1}]
  metrics:
    - {name: all, source: outcome, type: proportion}
    - {name: none, source: outcome, type: proportion}
---
apiVersion: millrace.dev/v1
kind: Experiment
metadata: {name: models}
spec:
  unit: origin
  variants: [{name: one, weight: 1}, {name: two, weight: 1}]
  metrics:
    - {name: late, source: label, type: mean}
    - {name: brier, source: label, label: late, type: squaredError}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: delay}
spec: {model: models:/delay/1}
---
apiVersion: millrace.dev/v1
kind: Rollout
metadata: {name: delay-v2}
spec: {deployment: delay, candidate: models:/delay/2, strategy: canary, steps: [5%], gates: [{metric: outcome_proportion, outcome: paid}]}
`,
      { 'content-type': 'application/yaml' },
    );
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('models')]);
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  const post = (path: string, body: object | string, headers: Record<string, string> = {}) =>
    fetch(`${service.url}${path}`, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const results = async (experiment: string, query = ''): Promise<ExperimentResults> =>
    (await (await fetch(`${service.url}/api/v1/experiments/${experiment}/results${query}`)).json()) as ExperimentResults;
  const users = Array.from({ length: 400 }, (_, index) => `user-${index}`);
  const variantOf = assigner({
    salt: 'button',
    variants: [
      { name: 'grey', weight: 1 },
      { name: 'blue', weight: 1 },
    ],
  });

  test('assigns as every other reader of the definition does', async () => {
    const response = await post('/api/v1/experiments/button/assignments', { units: users });
    const reply = (await response.json()) as { unit: string; assignments: { unit: string; variant: string }[] };
    expect(reply.unit).toBe('user');
    expect(reply.assignments).toEqual(users.map((unit) => ({ unit, variant: variantOf(unit) })));
  });

  test('takes outcomes of what is applied: an experiment, or a rollout', async () => {
    const outcome = [{ unit: 'user-1', metric: 'paid', value: true, time: START }];
    expect((await post('/api/v1/experiments/delay-v2/outcomes', outcome)).status).toBe(202);
    const stranger = await post('/api/v1/experiments/nobody/outcomes', outcome);
    expect([stranger.status, await stranger.json()]).toMatchObject([404, { code: 'MR_EXPERIMENTATION_EXPERIMENT_NOT_FOUND' }]);
  });

  test('estimates from the first exposure on, each fact once', async () => {
    const exposures = users.map((unit) => ({ unit, time: START }));
    expect((await post('/api/v1/experiments/button/exposures', exposures)).status).toBe(202);
    // Told again, and told later: neither counts.
    await post('/api/v1/experiments/button/exposures', exposures.map((exposure) => JSON.stringify(exposure)).join('\n'));
    await post('/api/v1/experiments/button/exposures', [{ unit: 'user-0', time: START + 9 * HOUR }]);
    const revenue = new Map(users.map((unit, index) => [unit, index % 3 === 0 ? 0 : (index % 7) + (variantOf(unit) === 'blue' ? 2 : 0)]));
    const outcomes = users.flatMap((unit, index) => {
      const value = revenue.get(unit)!;
      // Two purchases make one revenue; one before the exposure does not count.
      const own =
        value === 0
          ? []
          : [
              { unit, metric: 'revenue', value: value - 1, time: START + HOUR },
              { unit, metric: 'revenue', value: 1, time: START + 2 * HOUR },
            ];
      const converted = index % 5 === 0 ? [{ unit, metric: 'converted', value: true, time: START + HOUR }] : [];
      return [...own, ...converted, { unit, metric: 'revenue', value: 1000, time: START - HOUR }];
    });
    for (let round = 0; round < 2; round++) expect((await post('/api/v1/experiments/button/outcomes', outcomes)).status).toBe(202);

    const found = await results('button');
    const values = (variant: string, of: (unit: string, index: number) => number) =>
      momentsOf(users.flatMap((unit, index) => (variantOf(unit) === variant ? [of(unit, index)] : [])));
    const counts = ['grey', 'blue'].map((variant) => users.filter((unit) => variantOf(unit) === variant).length);
    expect(found.variants).toEqual([
      { variant: 'grey', weight: 1, units: counts[0] },
      { variant: 'blue', weight: 1, units: counts[1] },
    ]);
    expect(found).toMatchObject({ control: 'grey', level: 0.95, multipleExposures: 0, sampleRatio: { isMismatch: false } });
    const [mean, proportion] = found.metrics;
    const expected = differenceInMeans(
      values('grey', (unit) => revenue.get(unit)!),
      values('blue', (unit) => revenue.get(unit)!),
    )!;
    const [comparison] = mean!.comparisons;
    expect(comparison?.difference).toBeCloseTo(expected.difference, 10);
    expect(comparison?.pValue).toBeCloseTo(expected.pValue, 10);
    expect(comparison?.interval.lower).toBeCloseTo(expected.interval.lower, 10);
    expect(comparison?.interval.upper).toBeCloseTo(expected.interval.upper, 10);
    expect(proportion?.variants.map((variant) => variant.n)).toEqual(counts);
    for (const { variant, mean: share } of proportion!.variants)
      expect(share).toBeCloseTo(values(variant, (_, index) => (index % 5 === 0 ? 1 : 0)).mean, 12);
  });

  test('few units that all did, or none of which did, leave most shares possible', async () => {
    const units = ['a', 'b'].flatMap((variant) =>
      Array.from({ length: 5 }, (_, index) => ({ unit: `${variant}${index}`, variant, time: START })),
    );
    await post('/api/v1/experiments/few/exposures', units);
    const did = units.filter(({ variant }) => variant === 'b').map(({ unit }) => ({ unit, metric: 'all', value: 1, time: START + HOUR }));
    await post('/api/v1/experiments/few/outcomes', did);
    const [all, none] = (await results('few')).metrics;
    expect(all?.comparisons).toEqual([{ variant: 'b', ...differenceInProportions({ successes: 0, n: 5 }, { successes: 5, n: 5 }) }]);
    expect(all?.comparisons[0]).toMatchObject({ difference: 1, interval: { upper: 1 } });
    expect(all?.comparisons[0]?.pValue).toBeGreaterThan(0.001);
    expect(all?.comparisons[0]?.interval.lower).toBeLessThan(0.5);
    expect(none?.comparisons[0]).toMatchObject({ difference: 0, pValue: 1 });
    expect(none?.comparisons[0]?.interval.lower).toBeLessThan(-0.4);
    expect(none?.comparisons[0]?.interval.upper).toBeGreaterThan(0.4);
  });

  test('the level of the interval is the caller’s', async () => {
    const [wide, narrow] = [await results('button', '?level=0.99'), await results('button', '?level=0.8')];
    const width = (found: ExperimentResults) =>
      found.metrics[0]!.comparisons[0]!.interval.upper - found.metrics[0]!.comparisons[0]!.interval.lower;
    expect(width(wide)).toBeGreaterThan(width(narrow));
    expect((await fetch(`${service.url}/api/v1/experiments/button/results?level=2`)).status).toBe(400);
  });

  test('says when the counts cannot come from the weights, and who met both variants', async () => {
    const exposures = Array.from({ length: 100 }, (_, index) => ({ unit: `u${index}`, variant: index < 50 ? 'a' : 'b', time: START }));
    await post('/api/v1/experiments/lopsided/exposures', [...exposures, { unit: 'u0', variant: 'b', time: START + 1 }]);
    const found = await results('lopsided');
    expect(found.variants.map((variant) => variant.units)).toEqual([50, 50]);
    expect(found.sampleRatio?.isMismatch).toBe(true);
    expect(found.multipleExposures).toBe(1);
  });

  test('a metric over labels joins the predictions of the variant with their truth', async () => {
    const { offline, topics } = service.host;
    for (const topic of [TOPICS.predictions, TOPICS.labels]) await topics.ensure(topic);
    // The tables belong to the inference service; here they stand as it makes them, filled by hand.
    for (const statement of INFERENCE_TABLES) await offline.command(statement);
    await post(
      '/api/v1/experiments/models/exposures',
      ['A', 'B', 'C', 'D'].map((unit, index) => ({ unit, variant: index < 2 ? 'one' : 'two', time: START })),
    );
    const predictions = [
      { unit: 'A', variant: 'one', p: 0.5, label: 1 },
      { unit: 'A', variant: 'one', p: 0.1, label: 0 },
      { unit: 'B', variant: 'one', p: 0.9, label: 1 },
      { unit: 'C', variant: 'two', p: 0.2, label: 1 },
      { unit: 'D', variant: 'two', p: 0.7, label: 0 },
      { unit: 'D', variant: 'two', p: 0.6, label: null },
    ];
    await offline.insert(
      'millrace.predictions',
      predictions.map(({ unit, variant, p }, row) => ({
        prediction_id: 'p',
        row,
        deployment: 'delay',
        experiment: 'models',
        variant,
        unit,
        prediction: p,
        time: START + HOUR,
        error_code: '',
      })),
      'predictions',
    );
    await offline.insert(
      'millrace.prediction_labels',
      predictions.flatMap(({ label }, row) =>
        label === null
          ? []
          : [
              { deployment: 'delay', prediction_id: 'p', row, name: 'late', latest: [label, null, START + 2 * HOUR] },
              // Told for another deployment.
              { deployment: 'other', prediction_id: 'p', row, name: 'late', latest: [1 - label, null, START + 2 * HOUR] },
            ],
      ),
      'labels',
    );
    const found = await results('models');
    const means = (index: number) =>
      found.metrics[index]!.variants.map(({ n, mean }) => [n, mean === null ? null : Number(mean.toFixed(12))]);
    expect(means(0)).toEqual([
      [2, 0.75],
      [2, 0.5],
    ]);
    // Per unit first: A (0.25 + 0.01) / 2, B 0.01; C 0.64, D 0.49.
    expect(means(1)).toEqual([
      [2, 0.07],
      [2, 0.565],
    ]);
  });

  test.each<[string, string, unknown, number, string]>([
    ['an unknown experiment', 'nobody/assignments', { units: [] }, 404, 'MR_EXPERIMENTATION_EXPERIMENT_NOT_FOUND'],
    ['units that are no strings', 'button/assignments', { units: [1] }, 400, 'MR_EXPERIMENTATION_UNITS_INVALID'],
    ['a variant it does not have', 'button/exposures', [{ unit: 'u', variant: 'red' }], 400, 'MR_EXPERIMENTATION_FACT_INVALID'],
    ['a value that is no number', 'button/outcomes', [{ unit: 'u', metric: 'm', value: 'much' }], 400, 'MR_EXPERIMENTATION_FACT_INVALID'],
    ['an empty body', 'button/outcomes', '', 400, 'MR_HTTP_BAD_REQUEST'],
  ])('refuses %s', async (_name, path, body, status, code) => {
    const response = await post(`/api/v1/experiments/${path}`, body as object);
    expect([response.status, await response.json()]).toEqual([status, expect.objectContaining({ code })]);
  });
});

const POSITION = '_topic String, _partition UInt32, _offset UInt64';
const INFERENCE_TABLES = [
  `CREATE TABLE millrace.predictions (${POSITION}, prediction_id String, row UInt32, deployment String, experiment String, variant String, unit Nullable(String),
   prediction Nullable(Float64), time DateTime64(3), error_code String) ENGINE = ReplacingMergeTree ORDER BY (prediction_id, row)`,
  `CREATE TABLE millrace.labels (${POSITION}) ENGINE = ReplacingMergeTree ORDER BY (_partition, _offset)`,
  `CREATE TABLE millrace.prediction_labels (deployment String, prediction_id String, row UInt32, name String, latest Tuple(Nullable(Float64), Nullable(String), DateTime64(3)))
   ENGINE = MergeTree ORDER BY (prediction_id, row)`,
];
