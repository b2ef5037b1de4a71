import { migrate, offlineStoreMigrations, openOfflineStore, type OfflineStore } from '@millrace/offline-store';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { historyCursor, metricHistory } from './metric-history.query.js';
import { runKeyPath } from '../projections/run-key-path.js';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';
import { RunIndex, type RunIndexOptions } from './run-index/run-index.js';
import { isPresence, searchRuns, type RunCriterion, type RunOrder, type RunSearch } from './search-runs.query.js';

interface TestRun {
  readonly id: string;
  readonly experiment: string;
  readonly name: string;
  readonly startTime: number;
  readonly endTime: number | null;
  readonly deleted: boolean;
  readonly params: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly datasets: readonly string[];
}

/** A small world in which every comparison has ties, gaps and odd values. */
const RUNS: readonly TestRun[] = Array.from({ length: 60 }, (_, index) => ({
  id: `r${String(index).padStart(2, '0')}`,
  experiment: String(index % 3),
  name: ['alpha', 'Beta', 'b_ta', '100%'][index % 4] as string,
  startTime: 1000 + (index % 7),
  endTime: index % 5 === 0 ? null : 2000 + (index % 6),
  deleted: index % 11 === 0,
  params: index % 4 === 0 ? {} : { p: String(index % 3), ...(index % 2 === 0 ? { 'q:r s': '' } : {}) },
  metrics: {
    ...(index % 3 === 0 ? {} : { m: [0.5, -1, NaN, Infinity, 0.5, 7][index % 6] as number }),
    ...(index % 2 === 0 ? { n: index } : {}),
  },
  datasets: index % 6 === 0 ? ['flights', 'routes'] : index % 6 === 1 ? ['routes'] : [],
}));

describe('searchRuns on ClickHouse', () => {
  let directory: TempDir;
  let store: OfflineStore;

  beforeAll(async () => {
    directory = await tempDir('search-runs');
    store = await openOfflineStore({ path: directory.path, threads: 4 });
    await migrate(store, offlineStoreMigrations);
    await migrate(store, { name: 'tracking', directory: new URL('../migrations/', import.meta.url) });
    // In parts, so that the last state has to be found among several.
    for (const part of [0, 1, 2]) {
      await store.insert('millrace.run_states', linesOf(RUNS.flatMap(statesOf).filter((_, index) => index % 3 === part)), `runs ${part}`);
    }
  }, 60_000);

  afterAll(async () => {
    await store.close();
    await directory.remove();
  });

  const idsOf = async (search: RunSearch) => (await searchRuns(store, search)).map(({ id }) => id);

  test('finds what going through all runs finds, in the same order, page by page', async () => {
    await fc.assert(
      fc.asyncProperty(searches, async (search) => {
        const expected = expectedIds(search);
        const pages: string[] = [];
        const index = await loadedIndex();
        for (let after: readonly string[] | undefined; ;) {
          const found = await searchRuns(store, { ...search, after });
          expect(index.search({ ...search, after })).toEqual(found);
          const page = found.slice(0, search.limit);
          pages.push(...page.map(({ id }) => id));
          after = page.at(-1)?.cursor;
          if (found.length <= search.limit) break;
        }
        expect(pages).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  }, 240_000);

  test('a run that comes in between two pages neither repeats nor hides another', async () => {
    const search = { activeIn: [], deletedIn: [], allIn: ['7'], criteria: [], orders: [], limit: 2 } as const;
    const row = (id: string, startTime: number) => ({ ...position(1), version: 1, experiment_id: '7', run_id: id, start_time: startTime });
    await store.insert(
      'millrace.run_states',
      ['a', 'b', 'c', 'd'].map((id, index) => row(id, 10 - index)),
      'first',
    );
    const first = await searchRuns(store, search);
    expect(first.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    await store.insert('millrace.run_states', [row('new', 99)], 'between');
    expect(await idsOf({ ...search, after: first[1]?.cursor })).toEqual(['c', 'd']);
  });

  test('a client’s text stays text', async () => {
    const everything = { activeIn: [], deletedIn: [], allIn: ['0', '1', '2'], orders: [], limit: 100 } as const;
    const odd = `x' OR 1=1 -- {p0:String} \\ \n "`;
    for (const on of ['param', 'tag'] as const) {
      expect(await idsOf({ ...everything, criteria: [{ on, key: odd, operator: '=', value: odd }] })).toEqual([]);
    }
    expect(await idsOf({ ...everything, criteria: [{ on: 'metric', key: odd, operator: '>', value: 0 }] })).toEqual([]);
    const ordered = await idsOf({ ...everything, criteria: [], orders: [{ by: 'metric', key: odd, ascending: true }] });
    expect(ordered).toHaveLength(RUNS.length);
  });

  test('a history holds each point once, by time, and its doubles to the bit', async () => {
    const values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, NaN, Infinity, -Infinity, -0.1];
    const points = values.map((value, index) => ({
      ...position(9000 + index),
      _row: 0,
      experiment_id: '9',
      run_id: 'h',
      key: 'k',
      step: -index,
      timestamp: 100 - index,
      value: Number.isFinite(value) ? value : String(value),
    }));
    await store.insert('millrace.metric_points', [...points, { ...points[0], ...position(9100) }], 'history');
    const page = (limit: number, after?: MetricPoint) =>
      metricHistory(store, { experimentId: '9', runId: 'h', key: 'k', limit, after: after && historyCursor(after) });
    const all = await page(100);
    expect(all.map((point) => point.value)).toEqual([...values].reverse());
    expect(all.map((point) => point.step)).toEqual(
      values
        .map((_, index) => -index)
        .reverse()
        .map((step) => step + 0),
    );
    for (const [index, point] of all.entries()) expect(await page(100, point)).toEqual(all.slice(index + 1));
    expect(await page(3)).toHaveLength(4);
  });
});

/** The index in memory over the same runs: it has to find what ClickHouse finds, and say where it stands in the same words. */
async function loadedIndex(): Promise<RunIndex> {
  const byId = new Map(RUNS.map((run) => [run.id, run]));
  const folds: RunIndexOptions = {
    run: (id) => {
      const run = byId.get(id);
      if (!run) return undefined;
      const { experiment, name, startTime, endTime, deleted, params } = run;
      const text = new Map(Object.entries(params));
      const datasets = run.datasets.map((one) => ({
        ...{ name: one, digest: one, sourceType: '', source: '', schema: null, profile: null },
        tags: { 'mlflow.data.context': one },
      }));
      return {
        ...{ runId: id, experimentId: experiment, name, userId: '', status: 'RUNNING', startTime, endTime, artifactUri: '', deleted },
        ...{ params: text, tags: text, datasets },
      };
    },
    metrics: (id) => Object.entries(byId.get(id)?.metrics ?? {}).map(([key, value]) => ({ key, value, step: 0, timestamp: 0 })),
  };
  const index = new RunIndex(folds);
  async function* stored() {
    for (const id of byId.keys()) {
      const run = folds.run(id);
      if (run) yield { run, metrics: folds.metrics(id) };
    }
  }
  await index.load(stored(), () => Promise.resolve());
  return index;
}

function position(offset: number) {
  return { _topic: 't', _partition: 0, _offset: offset };
}

/** Metrics with a decimal point, as the projection writes them: a metric has one type in every run. */
function linesOf(rows: readonly object[]): Buffer {
  const text = rows.map((row) =>
    JSON.stringify(row).replace(/"metrics":\{[^}]*\}/, (metrics) => metrics.replace(/:(-?\d+)(?=[,}])/g, ':$1.0')),
  );
  return Buffer.from(`${text.join('\n')}\n`);
}

/** A run as it once was, and as it is: only the last may be found. One state is there twice, as after a repeated projection. */
function statesOf(run: TestRun, index: number): object[] {
  const now = {
    experiment_id: run.experiment,
    run_id: run.id,
    version: 3,
    name: run.name,
    status: 'RUNNING',
    user_id: '',
    start_time: run.startTime,
    end_time: run.endTime,
    artifact_uri: '',
    deleted: run.deleted,
    params: byPath(run.params),
    tags: byPath(run.params),
    metrics: byPath(
      Object.fromEntries(Object.entries(run.metrics).map(([key, value]) => [key, Number.isFinite(value) ? value : String(value)])),
    ),
    'datasets.name': run.datasets,
    'datasets.digest': run.datasets,
    'datasets.context': run.datasets,
  };
  return [
    {
      ...now,
      ...position(index * 3),
      version: 1,
      name: 'before',
      deleted: !run.deleted,
      params: { p: 'before' },
      tags: {},
      metrics: { m: 1000 },
    },
    { ...now, ...position(index * 3 + 1) },
    { ...now, ...position(index * 3 + 2) },
  ];
}

function byPath(pairs: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(pairs).map(([key, value]) => [runKeyPath(key), value]));
}

const texts = fc.constantFrom('alpha', 'Beta', 'b_ta', '100%', '0', '1', '', 'flights', 'routes', '%', '_%', 'B%', 'r1_');
const textual = fc.constantFrom('=', '!=', 'LIKE', 'ILIKE');
const numeric = fc.constantFrom('=', '!=', '<', '<=', '>', '>=');
const criterion: fc.Arbitrary<RunCriterion> = fc.oneof(
  fc.record({ on: fc.constant('attribute' as const), key: fc.constantFrom('run_name', 'run_id'), operator: textual, value: texts }),
  fc.record({
    on: fc.constant('attribute' as const),
    key: fc.constantFrom('start_time', 'end_time'),
    operator: numeric,
    value: fc.constantFrom(1003, 2003, 2003.5),
  }),
  fc.record({
    on: fc.constant('attribute' as const),
    key: fc.constant('run_id' as const),
    operator: fc.constantFrom('IN', 'NOT IN'),
    value: fc.array(fc.constantFrom(...RUNS.map((run) => run.id)), { minLength: 1 }),
  }),
  fc.record({
    on: fc.constantFrom('param' as const, 'tag' as const),
    key: fc.constantFrom('p', 'q:r s', 'none'),
    operator: textual,
    value: texts,
  }),
  fc.record({
    on: fc.constant('metric' as const),
    key: fc.constantFrom('m', 'n', 'none'),
    operator: numeric,
    value: fc.constantFrom(0, 0.5, 20),
  }),
  fc.record({
    on: fc.constantFrom('param' as const, 'tag' as const),
    key: fc.constantFrom('p', 'q:r s', 'none'),
    operator: fc.constantFrom('IS NULL' as const, 'IS NOT NULL' as const),
  }),
  fc.record({ on: fc.constant('dataset' as const), key: fc.constantFrom('name', 'context'), operator: textual, value: texts }),
);
const order: fc.Arbitrary<RunOrder> = fc.oneof(
  fc.record({ by: fc.constant('attribute' as const), key: fc.constantFrom('run_name', 'start_time', 'end_time'), ascending: fc.boolean() }),
  fc.record({ by: fc.constantFrom('param' as const, 'tag' as const), key: fc.constantFrom('p', 'q:r s'), ascending: fc.boolean() }),
  fc.record({ by: fc.constant('metric' as const), key: fc.constantFrom('m', 'n'), ascending: fc.boolean() }),
);
const experiments = fc.subarray(['0', '1', '2'], { minLength: 1 });
const searches: fc.Arbitrary<RunSearch> = fc
  .record({
    experiments,
    view: fc.constantFrom('allIn', 'activeIn', 'deletedIn'),
    criteria: fc.array(criterion, { maxLength: 3 }),
    orders: fc.uniqueArray(order, { maxLength: 3, selector: ({ by, key }) => `${by}.${key}` }),
    limit: fc.constantFrom(7, 100),
  })
  .map(({ experiments: ids, view, ...rest }) => ({ allIn: [], activeIn: [], deletedIn: [], ...rest, [view]: ids }));

/** The same search, done by going through all runs. */
function expectedIds(search: RunSearch): string[] {
  const found = RUNS.filter(
    (run) =>
      (search.allIn.includes(run.experiment) ||
        (search.activeIn.includes(run.experiment) && !run.deleted) ||
        (search.deletedIn.includes(run.experiment) && run.deleted)) &&
      search.criteria.every((one) => holds(run, one)),
  );
  const orders: readonly RunOrder[] = [
    ...search.orders,
    { by: 'attribute', key: 'start_time', ascending: false },
    { by: 'attribute', key: 'run_id', ascending: true },
  ];
  found.sort((a, b) => {
    for (const one of orders) {
      const difference = compare(valueOf(a, one.by, one.key), valueOf(b, one.by, one.key), one.ascending);
      if (difference !== 0) return difference;
    }
    return 0;
  });
  return found.map((run) => run.id);
}

function valueOf(run: TestRun, by: string, key: string): string | number | null {
  if (by === 'metric') return run.metrics[key] ?? null;
  if (by === 'param' || by === 'tag') return run.params[key] ?? null;
  return { run_name: run.name, run_id: run.id, start_time: run.startTime, end_time: run.endTime }[key] ?? null;
}

function compare(a: string | number | null, b: string | number | null, ascending: boolean): number {
  const rank = (value: string | number | null) => (value === null ? 2 : Number.isNaN(value) ? 1 : 0);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) > 0 || a === b) return 0;
  return (a as string) < (b as string) === ascending ? -1 : 1;
}

function holds(run: TestRun, one: RunCriterion): boolean {
  if (isPresence(one)) return (valueOf(run, one.on, one.key) === null) === (one.operator === 'IS NULL');
  if (one.on === 'dataset') return run.datasets.some((name) => compares(name, one.operator, one.value));
  const actual = valueOf(run, one.on, one.key);
  return actual !== null && compares(actual, one.operator, one.value);
}

function compares(actual: string | number, operator: string, value: unknown): boolean {
  const like = (flags: string) =>
    new RegExp(
      `^${String(value)
        .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
        .replace(/%/g, '.*')
        .replace(/_/g, '.')}$`,
      `s${flags}`,
    ).test(String(actual));
  switch (operator) {
    case '=':
      return actual === value;
    case '!=':
      return actual !== value;
    case '<':
      return (actual as number) < (value as number);
    case '<=':
      return (actual as number) <= (value as number);
    case '>':
      return (actual as number) > (value as number);
    case '>=':
      return (actual as number) >= (value as number);
    case 'LIKE':
      return like('');
    case 'ILIKE':
      return like('i');
    case 'IN':
      return (value as string[]).includes(actual as string);
    default:
      return !(value as string[]).includes(actual as string);
  }
}
