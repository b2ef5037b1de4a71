import type { FeatureDefinition, FeatureViewDefinition } from '../definitions.js';
import { Status } from '../status.js';

/** An event as a person would write it down. */
export interface OracleEvent {
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly time: number;
  readonly columns: Readonly<Record<string, number | bigint | string | null>>;
}

export interface OracleValue {
  readonly value: number | bigint | string | null;
  readonly status: Status;
  readonly time: number;
}

/**
 * What a view's values are, written for reading: no chunks kept, no index, everything looked at again for each question. `events` are those of one
 * entity, in any order. It shares no code with the engine, only the definition of the arithmetic: `spanMs` is the reach of an id,
 * `tileMs` the unit in which floating sums are taken.
 */
export function oracle(
  view: FeatureViewDefinition,
  spanMs: number,
  tileMs: number,
  ttlMs: number,
  windowMs: (feature: FeatureDefinition) => number,
  events: readonly OracleEvent[],
  at: number,
): OracleValue[] {
  const later = (a: OracleEvent, b: OracleEvent): boolean =>
    a.partition > b.partition || (a.partition === b.partition && a.offset > b.offset);
  const span = (event: OracleEvent): number => Math.floor(event.time / spanMs);
  const known = events
    .filter((event) => !events.some((other) => other.id === event.id && span(other) === span(event) && later(other, event)))
    .sort((a, b) => a.time - b.time || a.partition - b.partition || a.offset - b.offset);
  const before = known.filter((event) => event.time <= at);
  return view.features.map((feature) => {
    const newest = before.at(-1);
    if (!newest) return { value: null, status: Status.NOT_FOUND, time: 0 };
    if (feature.window === undefined) {
      if (ttlMs > 0 && newest.time < at - ttlMs) return { value: null, status: Status.OUTSIDE_MAX_AGE, time: 0 };
      return answer(newest.columns[feature.column as string] ?? null, newest.time);
    }
    const from = at - windowMs(feature);
    const inside = known.filter((event) => event.time >= from && event.time < at);
    return answer(aggregate(feature, inside, from, at, tileMs), inside.at(-1)?.time ?? 0);
  });
}

function answer(value: number | bigint | string | null, time: number): OracleValue {
  return { value, status: value === null ? Status.NULL_VALUE : Status.PRESENT, time };
}

function aggregate(
  feature: FeatureDefinition,
  inside: readonly OracleEvent[],
  from: number,
  to: number,
  tileMs: number,
): number | bigint | string | null {
  const { column } = feature;
  if (feature.aggregate === 'count' && column === undefined) return inside.length;
  if (feature.aggregate === 'last') return inside.at(-1)?.columns[column as string] ?? null;
  const present = inside.flatMap((event) => {
    const value = event.columns[column as string] ?? null;
    return value === null ? [] : [{ time: event.time, value }];
  });
  if (feature.aggregate === 'count') return present.length;
  const [first] = present;
  if (!first) return null;
  if (feature.aggregate === 'min') return present.reduce((least, { value }) => (value < least ? value : least), first.value);
  if (feature.aggregate === 'max') return present.reduce((most, { value }) => (value > most ? value : most), first.value);
  if (typeof first.value === 'bigint') {
    const sum = present.reduce((total, { value }) => total + (value as bigint), 0n);
    if (feature.aggregate === 'mean') return Number(sum) / present.length;
    return sum >= -(2n ** 63n) && sum < 2n ** 63n ? sum : null;
  }
  // Terms of the sum: one for each tile that lies whole in the window, one for each other event.
  const terms = new Map<string, number>();
  for (const [index, { time, value }] of present.entries()) {
    const tile = Math.floor(time / tileMs);
    const whole = tile * tileMs >= from && (tile + 1) * tileMs <= to;
    const term = whole ? `tile ${tile}` : `event ${index}`;
    terms.set(term, (terms.get(term) ?? 0) + (value as number));
  }
  const sum = [...terms.values()].reduce((total, term) => total + term, 0);
  // JSON has no infinity.
  if (!Number.isFinite(sum)) return null;
  return feature.aggregate === 'mean' ? sum / present.length : sum;
}
