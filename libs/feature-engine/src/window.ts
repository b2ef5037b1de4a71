import { DistinctValues } from './aggregates/distinct-values.js';
import { integerSquaresAround, squaresAround } from './aggregates/moments.js';
import { QuantileSketch, type NumberSlice } from './aggregates/quantile-sketch.js';
import { TopValues } from './aggregates/top-values.js';
import type { Value } from './column-type.js';
import type { Chunk, ChunkColumn } from './chunk.js';
import type { PlanColumn, PlanFeature, ViewPlan, WindowGroup } from './view-plan.js';
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
  /** Where the group asks for it and there is a value that is not null. */
  more: MoreTotals | undefined;
}

/** What only some features ask for; see {@link WindowGroup}. */
interface MoreTotals {
  /** Value of the window's first event, null included. */
  first: Value;
  squares: number;
  distinct: number;
  ranks: QuantileSketch | undefined;
  top: TopValues | undefined;
}

/**
 * The one arithmetic of a window [from, to): the chunks in time order; in each the tiles in time order. A tile that lies whole in the window adds its
 * own sum, taken from zero over its events in canonical order; of a tile that the window cuts, each event is added by itself. Tiles are cut by the
 * definition (`tileMs`, from the epoch), never by the data. Online and offline values come from this function and so are equal bit for bit.
 */
export function foldWindow(plan: ViewPlan, chunks: readonly Chunk[], from: number, to: number, group: WindowGroup): WindowTotals {
  const { column } = group;
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
    more: undefined,
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
  if (group.asksMore && totals.count > 0) totals.more = foldAgain(plan, chunks, from, to, group, totals);
  return totals;
}

/**
 * What takes each value by itself. The events are here, so nothing of it is stored, a late or corrected event needs no undoing, and the
 * result depends on the events alone.
 */
function foldAgain(
  plan: ViewPlan,
  chunks: readonly Chunk[],
  from: number,
  to: number,
  { column, moments, distinct, ranks, top }: WindowGroup,
  totals: WindowTotals,
): MoreTotals {
  const more: MoreTotals = { first: firstValue(chunks, from, column), squares: 0, distinct: 0, ranks: undefined, top: undefined };
  const { kind, type } = plan.columns[column] as PlanColumn;
  const isBig = kind === 'bigint';
  if (moments && isBig) {
    let sumOfSquares = 0n;
    eachValue(chunks, from, to, column, (value) => (sumOfSquares += (value as bigint) * (value as bigint)));
    more.squares = integerSquaresAround(totals.bigSum, sumOfSquares, totals.count);
  }
  if (kind !== 'string' && (ranks || (moments && !isBig))) {
    const slices = chunks.map((chunk) => numberSlice(chunk, column, chunk.lowerBound(from), chunk.lowerBound(to)));
    if (moments && !isBig) more.squares = squaresAround(totals.sum / totals.count, slices, totals.count);
    if (ranks) {
      const [least, greatest] = isBig ? [Number(totals.bigLeast), Number(totals.bigGreatest)] : [totals.least, totals.greatest];
      more.ranks = new QuantileSketch(slices, totals.count, least, greatest);
    }
  }
  if (distinct) {
    const values = new DistinctValues();
    eachValue(chunks, from, to, column, (value) => values.add(value));
    more.distinct = values.count;
  }
  if (top) {
    const values = new TopValues(type.name === 'Bool');
    eachValue(chunks, from, to, column, (value) => values.add(value));
    more.top = values;
  }
  return more;
}

function firstValue(chunks: readonly Chunk[], from: number, column: number): Value {
  for (const chunk of chunks) {
    const low = chunk.lowerBound(from);
    if (low < chunk.count) return chunk.value(column, low);
  }
  return null;
}

/** Values that are not null, in canonical order. */
function eachValue(chunks: readonly Chunk[], from: number, to: number, column: number, visit: (value: Exclude<Value, null>) => void): void {
  for (const chunk of chunks) {
    const { values } = chunk.columns[column] as ChunkColumn;
    const high = chunk.lowerBound(to);
    for (let at = chunk.lowerBound(from); at < high; at++) {
      const value = values[at] as Value;
      // The only value unlike itself is NaN, which stands for null.
      if (value !== null && value === value) visit(value);
    }
  }
}

function numberSlice(chunk: Chunk, column: number, from: number, to: number): NumberSlice {
  const { kind, values } = chunk.columns[column] as ChunkColumn;
  if (kind === 'number') return { values, from, to };
  const numbers = Float64Array.from({ length: Math.max(0, to - from) }, (_, at) => {
    const value = values[from + at] as Value;
    return value === null ? NaN : Number(value);
  });
  return { values: numbers, from: 0, to: numbers.length };
}

/**
 * Where a window of the group that is asked for at `at` begins, given the chunks back to its greatest length. A session is found by going back from `at`
 * while the gaps are small enough; over already, it begins and ends at `to`.
 */
export function windowStart(group: WindowGroup, chunks: readonly Chunk[], at: number, to: number): number {
  if (group.kind === 'tumbling') return Math.floor(at / group.windowMs) * group.windowMs;
  const from = at - group.windowMs;
  if (group.kind !== 'session') return from;
  let start = to;
  let later = at;
  for (let place = chunks.length - 1; place >= 0; place--) {
    const chunk = chunks[place] as Chunk;
    const low = chunk.lowerBound(from);
    for (let event = chunk.lowerBound(to) - 1; event >= low; event--) {
      const time = chunk.start + (chunk.times[event] as number);
      if (later - time > group.gapMs) return start;
      start = later = time;
    }
  }
  return start;
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

/** A feature's value from the totals of its window and column. Over no values the counts are 0 and all others null. */
export function windowValue(plan: ViewPlan, feature: PlanFeature, totals: WindowTotals): Value {
  const { aggregate, parameter } = feature;
  if (aggregate === 'count') return feature.column < 0 ? totals.events : totals.count;
  if (aggregate === 'last') return totals.last;
  if (totals.count === 0) return aggregate === 'count_distinct' ? 0 : null;
  const more = totals.more as MoreTotals;
  const big = plan.columns[feature.column]?.kind === 'bigint';
  switch (aggregate) {
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
    case 'var_pop':
    case 'stddev_pop':
      return spread(more.squares / totals.count, aggregate === 'stddev_pop');
    case 'var_samp':
    case 'stddev_samp':
      // Of one value there is no sample variance.
      return totals.count < 2 ? null : spread(more.squares / (totals.count - 1), aggregate === 'stddev_samp');
    case 'first':
      return more.first;
    case 'count_distinct':
      return more.distinct;
    case 'quantile':
      return (more.ranks as QuantileSketch).at(parameter);
    case 'top_k':
      return (more.top as TopValues).first(parameter);
    case 'expression':
      throw new Error(`${feature.name} is an expression and has no window`);
  }
}

function spread(variance: number, isRoot: boolean): number | null {
  const value = isRoot ? Math.sqrt(variance) : variance;
  return Number.isFinite(value) ? value : null;
}
