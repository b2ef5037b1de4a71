import type { Truth } from './assemble-rows.js';
import { OutputComparison, type Differences } from './compare-outputs.js';
import { countRows, takeRows, type LoadedModel, type Rows } from './model-rows.js';

/** What a model costs. */
export interface ModelCost {
  readonly bytes: number;
  /** Median of many runs, in microseconds, by the rows of a run. */
  readonly latencyMicros: Readonly<Record<1 | 32, number>>;
}

export interface Measurement extends Differences {
  readonly parent: ModelCost;
  readonly child: ModelCost;
  /** The child's by the parent's: less than 1 is better. */
  readonly sizeRatio: number;
  readonly latencyRatio: Readonly<Record<1 | 32, number>>;
}

export interface MeasureOptions {
  readonly open: (bytes: Uint8Array) => Promise<LoadedModel>;
  /** Milliseconds, of a clock that does not jump. */
  readonly now: () => number;
  /** What was true of each row, where it is known. */
  readonly truths?: readonly (Truth | undefined)[];
  /** How long the runs of one batch size may take together; 2 seconds when absent. */
  readonly budgetMs?: number;
}

const BATCHES = [1, 32] as const;
/** Answers are compared in batches, as the gateway computes them: a dynamic scale is of the whole batch. */
const COMPARED_ROWS = 32;
const WARM_UP_RUNS = 10;
const LEAST_RUNS = 5;
const MOST_RUNS = 400;

/**
 * Runs a model and the one made of it on the same rows: how their answers differ, and what each costs. Their runs take turns, so that what else the machine does falls
 * on both. Batches are filled by going round the rows.
 */
export async function measureModels(
  parent: Uint8Array,
  child: Uint8Array,
  rows: readonly Rows[],
  { open, now, truths = [], budgetMs = 2_000 }: MeasureOptions,
): Promise<Measurement> {
  if (countRows(rows) === 0) throw new RangeError('there are no rows to measure with');
  const before = await open(parent);
  try {
    const after = await open(child);
    try {
      const differences = await compare(before, after, rows, truths);
      const latency = { parent: { 1: 0, 32: 0 }, child: { 1: 0, 32: 0 } };
      for (const size of BATCHES) {
        [latency.parent[size], latency.child[size]] = await time([before, after], rows, size, { now, budgetMs });
      }
      return {
        ...differences,
        parent: { bytes: parent.length, latencyMicros: latency.parent },
        child: { bytes: child.length, latencyMicros: latency.child },
        sizeRatio: child.length / parent.length,
        latencyRatio: { 1: latency.child[1] / latency.parent[1], 32: latency.child[32] / latency.parent[32] },
      };
    } finally {
      await after.close();
    }
  } finally {
    await before.close();
  }
}

async function compare(
  parent: LoadedModel,
  child: LoadedModel,
  rows: readonly Rows[],
  truths: readonly (Truth | undefined)[],
): Promise<Differences> {
  const comparison = new OutputComparison();
  const count = countRows(rows);
  for (let from = 0; from < count; from += COMPARED_ROWS) {
    const batch = takeRows(rows, from, Math.min(COMPARED_ROWS, count - from));
    comparison.add(await parent.run(batch), await child.run(batch), truths.slice(from, from + COMPARED_ROWS));
  }
  return comparison.differences();
}

async function time(
  models: readonly [LoadedModel, LoadedModel],
  rows: readonly Rows[],
  size: number,
  { now, budgetMs }: { now: () => number; budgetMs: number },
): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  const begun = now();
  for (let run = -WARM_UP_RUNS; run < MOST_RUNS; run++) {
    const batch = takeRows(rows, Math.max(0, run) * size, size);
    for (const which of run % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const start = now();
      await models[which].run(batch);
      if (run >= 0) times[which].push((now() - start) * 1_000);
    }
    if (run >= LEAST_RUNS && now() - begun > budgetMs) break;
  }
  return [middle(times[0]), middle(times[1])];
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
