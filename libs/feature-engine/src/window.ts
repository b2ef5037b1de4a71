import type { Value } from './column-type.js';
import type { Chunk, ChunkColumn } from './chunk.js';
import type { PlanColumn, PlanFeature, ViewPlan } from './view-plan.js';
import { PARTIALS, range, sumRange } from './tile-table.js';

/** What one pass over one window finds. */
export interface WindowTotals {
  /** Events in the window. */
  events: number;
  /** Of the column: values that are not null, their sum, least and greatest. */
  count: number;
  sum: number;
  least: number;
  greatest: number;
  /** The same for 64-bit integers, exact. */
  bigSum: bigint;
  bigLeast: bigint;
  bigGreatest: bigint;
  /** The window's last event: its time (0 when there is none) and its value, null included. */
  lastTime: number;
  last: Value;
}

/**
 * The one arithmetic of a window [from, to): the chunks in time order; in each the tiles in time order. A tile that lies whole in the window adds its
 * own sum, taken from zero over its events in canonical order; of a tile that the window cuts, each event is added by itself. Tiles are cut by the
 * definition (`tileMs`, from the epoch), never by the data. Online and offline values come from this function and so are equal bit for bit.
 */
export function foldWindow(plan: ViewPlan, chunks: readonly Chunk[], from: number, to: number, column: number): WindowTotals {
  const totals: WindowTotals = {
    events: 0,
    count: 0,
    sum: 0,
    least: Infinity,
    greatest: -Infinity,
    bigSum: 0n,
    bigLeast: 0n,
    bigGreatest: 0n,
    lastTime: 0,
    last: null,
  };
  for (const chunk of chunks) {
    const low = chunk.lowerBound(from);
    const high = chunk.lowerBound(to);
    if (low >= high) continue;
    totals.events += high - low;
    totals.lastTime = chunk.start + (chunk.times[high - 1] as number);
    if (column < 0) continue;
    totals.last = chunk.value(column, high - 1);
    const values = chunk.columns[column] as ChunkColumn;
    if (values.kind === 'number')
      foldNumbers(plan, chunk, values.values, (plan.columns[column] as PlanColumn).number, low, high, from, to, totals);
    else if (values.kind === 'bigint') foldIntegers(values.values, low, high, totals);
    else for (let at = low; at < high; at++) if (values.values[at] !== null) totals.count++;
  }
  return totals;
}

function foldNumbers(
  plan: ViewPlan,
  chunk: Chunk,
  values: Float64Array,
  index: number,
  low: number,
  high: number,
  from: number,
  to: number,
  totals: WindowTotals,
): void {
  const { times, tiles, start } = chunk;
  const { tileMs } = plan;
  const width = plan.numberColumns;
  let dense = 0;
  for (let at = low; at < high;) {
    const tileStart = Math.floor((times[at] as number) / tileMs) * tileMs;
    const whole = start + tileStart >= from && start + tileStart + tileMs <= to;
    if (!whole) {
      addOne(totals, values[at] as number);
      at++;
      continue;
    }
    while (dense < tiles.count && (tiles.first[dense] as number) < at) dense++;
    if (dense < tiles.count && tiles.first[dense] === at) {
      const partials = (dense * width + index) * PARTIALS;
      addTile(totals, tiles.partials, partials);
      at += tiles.events[dense] as number;
      continue;
    }
    let end = at + 1;
    while (end < high && (times[end] as number) < tileStart + tileMs) end++;
    sumRange(values, at, end);
    addTile(totals, range, 0);
    at = end;
  }
}

function addOne(totals: WindowTotals, value: number): void {
  if (value !== value) return;
  totals.count++;
  totals.sum += value;
  if (value < totals.least) totals.least = value;
  if (value > totals.greatest) totals.greatest = value;
}

function addTile(totals: WindowTotals, partials: Float64Array, at: number): void {
  totals.count += partials[at] as number;
  totals.sum += partials[at + 1] as number;
  const least = partials[at + 2] as number;
  const greatest = partials[at + 3] as number;
  if (least < totals.least) totals.least = least;
  if (greatest > totals.greatest) totals.greatest = greatest;
}

function foldIntegers(values: readonly (bigint | null)[], low: number, high: number, totals: WindowTotals): void {
  for (let at = low; at < high; at++) {
    const value = values[at] as bigint | null;
    if (value === null) continue;
    totals.bigSum += value;
    if (totals.count === 0 || value < totals.bigLeast) totals.bigLeast = value;
    if (totals.count === 0 || value > totals.bigGreatest) totals.bigGreatest = value;
    totals.count++;
  }
}

const INT64 = 2n ** 63n;

/** A feature's value from the totals of its window and column. Over no values: count 0, all others null. */
export function windowValue(plan: ViewPlan, feature: PlanFeature, totals: WindowTotals): Value {
  if (feature.aggregate === 'count') return feature.column < 0 ? totals.events : totals.count;
  if (feature.aggregate === 'last') return totals.last;
  if (totals.count === 0) return null;
  const big = plan.columns[feature.column]?.kind === 'bigint';
  switch (feature.aggregate) {
    case 'sum':
      // A sum that Int64 cannot hold is no number anyone could store.
      if (big) return totals.bigSum >= -INT64 && totals.bigSum < INT64 ? totals.bigSum : null;
      return Number.isFinite(totals.sum) ? totals.sum : null;
    case 'mean': {
      const mean = (big ? Number(totals.bigSum) : totals.sum) / totals.count;
      return Number.isFinite(mean) ? mean : null;
    }
    case 'min':
      return big ? totals.bigLeast : totals.least;
    case 'max':
      return big ? totals.bigGreatest : totals.greatest;
  }
}
