import { permutationImportance, type Feature } from '@millrace/statistics';
import type { RunView } from './tracking-view.js';

export interface ComparedValue<T> {
  readonly key: string;
  /** Whether any two of the runs differ in it, a run without it counting as different from one with it. */
  readonly differs: boolean;
  /** In the order of the runs; `null` where a run has none. */
  readonly values: readonly (T | null)[];
}

export interface ComparedMetric extends ComparedValue<number> {
  /** Ids of the runs with the least and the greatest value; `null` when no run has a number. */
  readonly lowest: string | null;
  readonly highest: string | null;
}

/** One axis of a parallel-coordinates plot. Positions run along it: a number's value, a category's place in the list. */
export type Dimension = { readonly of: 'param' | 'metric'; readonly key: string; readonly positions: readonly (number | null)[] } & (
  | { readonly scale: 'number'; readonly min: number; readonly max: number }
  | { readonly scale: 'category'; readonly categories: readonly string[] }
);

export interface RunComparison {
  readonly params: readonly ComparedValue<string>[];
  readonly metrics: readonly ComparedMetric[];
  readonly dimensions: readonly Dimension[];
}

/** What differs between runs. Params and metrics by key. */
export function compareRuns(runs: readonly RunView[]): RunComparison {
  const params = keysOf(runs.map(({ run }) => run.params.keys())).map((key) =>
    compared(
      key,
      runs.map(({ run }) => run.params.get(key) ?? null),
    ),
  );
  const values = runs.map(({ metrics }) => new Map(metrics.map((point) => [point.key, point.value])));
  const metrics = keysOf(values.map((one) => one.keys())).map((key): ComparedMetric => {
    const found = compared(
      key,
      values.map((one) => one.get(key) ?? null),
    );
    return { ...found, ...extremes(found.values, runs) };
  });
  const dimensions = [
    ...params.filter(({ differs }) => differs).map((param) => ({ of: 'param' as const, key: param.key, ...scaleOf(param.values) })),
    ...metrics.flatMap(({ key, values: numbers }): Dimension[] => {
      const positions = numbers.map((value) => (value !== null && Number.isFinite(value) ? value : null));
      return positions.every((value) => value === null) ? [] : [{ of: 'metric', key, ...numberScale(positions) }];
    }),
  ];
  return { params, metrics, dimensions };
}

export interface BestRun {
  readonly runId: string;
  readonly value: number;
}

/** The run with the best value of a metric; of equal ones the first. */
export function bestRun(runs: readonly RunView[], metric: string, goal: 'minimize' | 'maximize'): BestRun | null {
  let best: BestRun | null = null;
  for (const { run, metrics } of runs) {
    const value = metrics.find(({ key }) => key === metric)?.value;
    if (value === undefined || Number.isNaN(value)) continue;
    if (best === null || (goal === 'minimize' ? value < best.value : value > best.value)) best = { runId: run.runId, value };
  }
  return best;
}

/** Below it a forest has too little to learn from. */
export const FEWEST_RUNS = 10;
/** The work grows with runs and params; the newest runs and the params that take most values are used. */
const MOST_RUNS = 500;
const MOST_PARAMS = 30;

export type ParamImportances =
  | {
      readonly kind: 'found';
      readonly runs: number;
      /** Part of the metric's variance that the params explain of runs not learned from; near 0 the order below says nothing. */
      readonly explained: number;
      readonly params: readonly { readonly key: string; readonly importance: number; readonly share: number }[];
    }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Which params moved a metric: permutation importance of the params that differ, on a random forest over the runs that have the metric. */
export function paramImportances(runs: readonly RunView[], metric: string): ParamImportances {
  const measured = runs
    .map(({ run, metrics }) => ({ run, value: metrics.find(({ key }) => key === metric)?.value }))
    .filter((one): one is { run: RunView['run']; value: number } => one.value !== undefined && Number.isFinite(one.value))
    .sort((a, b) => b.run.startTime - a.run.startTime || (a.run.runId < b.run.runId ? -1 : 1))
    .slice(0, MOST_RUNS);
  if (measured.length < FEWEST_RUNS) {
    return { kind: 'unknown', reason: `${measured.length} of the runs have a finite ${metric}; it takes at least ${FEWEST_RUNS}` };
  }
  const candidates = keysOf(measured.map(({ run }) => run.params.keys()))
    .map((key) => ({ key, values: measured.map(({ run }) => run.params.get(key) ?? null) }))
    .map((param) => ({ ...param, kinds: new Set(param.values).size }))
    .filter(({ kinds, values }) => kinds > 1 && !(isLabel(values) && kinds > values.length / 2))
    .sort((a, b) => b.kinds - a.kinds || (a.key < b.key ? -1 : 1))
    .slice(0, MOST_PARAMS);
  if (candidates.length === 0) return { kind: 'unknown', reason: 'no param differs between the runs that have the metric' };
  const { features, explained } = permutationImportance(
    candidates.map(({ values }) => featureOf(values)),
    measured.map(({ value }) => value),
  );
  const params = candidates
    .map(({ key }, index) => ({ key, importance: features[index]?.importance ?? 0, share: features[index]?.share ?? 0 }))
    .sort((a, b) => b.importance - a.importance || (a.key < b.key ? -1 : 1));
  return { kind: 'found', runs: measured.length, explained, params };
}

function compared<T>(key: string, values: readonly (T | null)[]): ComparedValue<T> {
  return { key, differs: values.some((value) => !Object.is(value, values[0])), values };
}

function extremes(values: readonly (number | null)[], runs: readonly RunView[]): { lowest: string | null; highest: string | null } {
  let [low, high] = [-1, -1];
  for (const [index, value] of values.entries()) {
    if (value === null || Number.isNaN(value)) continue;
    if (low < 0 || value < (values[low] as number)) low = index;
    if (high < 0 || value > (values[high] as number)) high = index;
  }
  return { lowest: runs[low]?.run.runId ?? null, highest: runs[high]?.run.runId ?? null };
}

type Scale = { positions: readonly (number | null)[] } & (
  { scale: 'number'; min: number; max: number } | { scale: 'category'; categories: readonly string[] }
);

function scaleOf(values: readonly (string | null)[]): Scale {
  if (!isLabel(values)) return numberScale(values.map((value) => (value === null ? null : Number(value))));
  const categories = keysOf([values.filter((value) => value !== null)]);
  return { scale: 'category', categories, positions: values.map((value) => (value === null ? null : categories.indexOf(value))) };
}

function numberScale(positions: readonly (number | null)[]): Scale & { scale: 'number' } {
  const numbers = positions.filter((value) => value !== null);
  return { scale: 'number', min: Math.min(...numbers), max: Math.max(...numbers), positions };
}

function featureOf(values: readonly (string | null)[]): Feature {
  if (!isLabel(values)) return { kind: 'number', values: values.map((value) => (value === null ? NaN : Number(value))) };
  const categories = keysOf([values.filter((value) => value !== null)]);
  return { kind: 'category', values: values.map((value) => (value === null ? -1 : categories.indexOf(value))) };
}

/** Params are text. They are numbers when every one of them reads as a finite number. */
function isLabel(values: readonly (string | null)[]): boolean {
  return values.some((value) => value !== null && (value.trim() === '' || !Number.isFinite(Number(value))));
}

function keysOf(keys: readonly Iterable<string>[]): string[] {
  return [...new Set(keys.flatMap((some) => [...some]))].sort();
}
