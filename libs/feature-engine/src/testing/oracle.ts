import type { FeatureDefinition, FeatureViewDefinition } from '../definitions.js';
import { Status } from '../status.js';

type Cell = number | bigint | string | null;

/** An event as a person would write it down. */
export interface OracleEvent {
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly time: number;
  readonly columns: Readonly<Record<string, Cell>>;
}

export interface OracleValue {
  readonly value: Cell;
  readonly status: Status;
  readonly time: number;
}

/** What the oracle has to be told, as it shares no code with the engine: the numbers behind the definition's words. */
export interface OracleTerms {
  /** The reach of an id; Infinity: all of time. */
  readonly spanMs: number;
  /** The unit in which floating sums are taken. */
  readonly tileMs: number;
  readonly ttlMs: number;
  readonly milliseconds: (duration: string) => number;
  /** A filter's text as a function of the event. */
  readonly filters: Readonly<Record<string, (event: OracleEvent) => boolean>>;
  /** An expression's text as a function of the view's other features. */
  readonly expressions: Readonly<Record<string, (feature: (name: string) => OracleValue, at: number) => OracleValue>>;
}

/**
 * What a view's values are, written for reading: no chunks kept, no index, everything looked at again for each question. `events` are those of one
 * entity, in any order. It shares no code with the engine, only the definition of the arithmetic.
 */
export function oracle(view: FeatureViewDefinition, terms: OracleTerms, events: readonly OracleEvent[], at: number): OracleValue[] {
  const later = (a: OracleEvent, b: OracleEvent): boolean =>
    a.partition > b.partition || (a.partition === b.partition && a.offset > b.offset);
  const span = (event: OracleEvent): number => (terms.spanMs === Infinity ? 0 : Math.floor(event.time / terms.spanMs));
  const known = events
    .filter((event) => !events.some((other) => other.id === event.id && span(other) === span(event) && later(other, event)))
    .sort((a, b) => a.time - b.time || a.partition - b.partition || a.offset - b.offset);
  const newest = known.findLast((event) => event.time <= at);
  const value = (feature: FeatureDefinition): OracleValue => {
    if (!newest) return { value: null, status: Status.NOT_FOUND, time: 0 };
    const computed = terms.expressions[feature.expression ?? ''];
    if (computed) return computed((name) => value(view.features.find((other) => other.name === name) as FeatureDefinition), at);
    if (feature.window === undefined && feature.windowKind !== 'lifetime') {
      if (terms.ttlMs > 0 && newest.time < at - terms.ttlMs) return { value: null, status: Status.OUTSIDE_MAX_AGE, time: 0 };
      return answer(newest.columns[feature.column as string] ?? null, newest.time);
    }
    const counting = known.filter((event) => feature.filter === undefined || terms.filters[feature.filter]?.(event) === true);
    const { from, inside } = windowOf(feature, terms, counting, at);
    const to = feature.includeCurrent === true ? at + 1 : at;
    return answer(aggregate(feature, inside, from, to, terms.tileMs), inside.at(-1)?.time ?? 0);
  };
  return view.features.map(value);
}

function windowOf(
  feature: FeatureDefinition,
  terms: OracleTerms,
  events: readonly OracleEvent[],
  at: number,
): { from: number; inside: readonly OracleEvent[] } {
  const before = events.filter((event) => (feature.includeCurrent === true ? event.time <= at : event.time < at));
  if (feature.windowKind === 'lifetime') return { from: -Infinity, inside: before };
  const length = terms.milliseconds(feature.window as string);
  const since = (from: number) => ({ from, inside: before.filter((event) => event.time >= from) });
  if (feature.windowKind === 'tumbling') {
    let from = Math.floor((at - length) / length) * length;
    while (from + length <= at) from += length;
    return since(from);
  }
  if (feature.windowKind !== 'session') return since(at - length);
  const gap = terms.milliseconds(feature.gap as string);
  const { inside } = since(at - length);
  // An event is in the session when from it to `at` there is no pause longer than the gap.
  const session = inside.filter((event) => {
    const steps = [...inside.filter((other) => other.time >= event.time).map((other) => other.time), at];
    return steps.every((time, index) => index === 0 || time - (steps[index - 1] as number) <= gap);
  });
  return { from: session[0]?.time ?? at, inside: session };
}

function answer(value: Cell, time: number): OracleValue {
  return { value, status: value === null ? Status.NULL_VALUE : Status.PRESENT, time };
}

function aggregate(feature: FeatureDefinition, inside: readonly OracleEvent[], from: number, to: number, tileMs: number): Cell {
  const { column } = feature;
  if (feature.aggregate === 'count' && column === undefined) return inside.length;
  if (feature.aggregate === 'last') return inside.at(-1)?.columns[column as string] ?? null;
  if (feature.aggregate === 'first') return inside[0]?.columns[column as string] ?? null;
  const present = inside.flatMap((event) => {
    const value = event.columns[column as string] ?? null;
    return value === null ? [] : [{ time: event.time, value }];
  });
  const values = present.map(({ value }) => value);
  const [first] = values;
  if (feature.aggregate === 'count') return values.length;
  if (feature.aggregate === 'count_distinct') return values.filter((value, index) => values.indexOf(value) === index).length;
  if (first === undefined) return null;
  if (feature.aggregate === 'min') return values.reduce((least, value) => (value < least ? value : least), first);
  if (feature.aggregate === 'max') return values.reduce((most, value) => (value > most ? value : most), first);
  if (feature.aggregate === 'top_k') return topOf(values, feature.k as number);
  if (feature.aggregate === 'quantile') {
    return values.map(Number).sort((a, b) => a - b)[Math.floor((feature.quantile as number) * (values.length - 1))] as number;
  }
  const sum =
    typeof first === 'bigint'
      ? integerSum(values as bigint[])
      : floatingSum(present as { time: number; value: number }[], from, to, tileMs);
  if (feature.aggregate === 'sum') return typeof sum === 'bigint' ? (sum >= -(2n ** 63n) && sum < 2n ** 63n ? sum : null) : finite(sum);
  if (feature.aggregate === 'mean') return finite(Number(sum) / values.length);
  const kind = feature.aggregate as string;
  const isSample = kind.endsWith('_samp');
  if (isSample && values.length < 2) return null;
  const squares = typeof sum === 'bigint' ? integerSquares(values as bigint[]) : floatingSquares(values as number[], sum);
  const variance = squares / (isSample ? values.length - 1 : values.length);
  return finite(kind.startsWith('stddev') ? Math.sqrt(variance) : variance);
}

/** JSON has no infinity. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function topOf(values: readonly Exclude<Cell, null>[], k: number): string {
  const different = values.filter((value, index) => values.indexOf(value) === index);
  const count = (of: Exclude<Cell, null>): number => values.filter((value) => value === of).length;
  different.sort((a, b) => count(b) - count(a) || (a < b ? -1 : 1));
  const json = (value: Exclude<Cell, null>): unknown =>
    typeof value !== 'bigint' ? value : Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return JSON.stringify(different.slice(0, k).map(json));
}

function integerSum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}

/** Terms of the sum: one for each tile that lies whole in the window, one for each other event. */
function floatingSum(present: readonly { time: number; value: number }[], from: number, to: number, tileMs: number): number {
  const terms = new Map<string, number>();
  for (const [index, { time, value }] of present.entries()) {
    const tile = Math.floor(time / tileMs);
    const whole = tile * tileMs >= from && (tile + 1) * tileMs <= to;
    const term = whole ? `tile ${tile}` : `event ${index}`;
    terms.set(term, (terms.get(term) ?? 0) + value);
  }
  return [...terms.values()].reduce((total, term) => total + term, 0);
}

/** Squared distances from the mean, in order, less what the rounding of the mean has added. */
function floatingSquares(values: readonly number[], sum: number): number {
  const distances = values.map((value) => value - sum / values.length);
  const squares = distances.reduce((total, distance) => total + distance * distance, 0);
  const rest = distances.reduce((total, distance) => total + distance, 0);
  return Math.max(0, squares - (rest * rest) / values.length);
}

function integerSquares(values: readonly bigint[]): number {
  const count = BigInt(values.length);
  const sum = integerSum(values);
  return Number(count * integerSum(values.map((value) => value * value)) - sum * sum) / values.length;
}
