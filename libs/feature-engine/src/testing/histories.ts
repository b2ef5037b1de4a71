import { partitionOf } from '@millrace/event-log';
import fc from 'fast-check';
import type { EntityDefinition, FeatureDefinition, FeatureViewDefinition, SourceDefinition } from '../definitions.js';
import { readSourceEvent, type SourceEvent } from '../source-event.js';
import type { ViewPlan } from '../view-plan.js';
import { Status } from '../status.js';
import type { OracleEvent, OracleTerms } from './oracle.js';

export const PARTITIONS = 3;
/** Two seconds before the clocks of central Europe go forward: local times jump, windows must not. */
export const EPOCH = Date.UTC(2001, 2, 25, 0, 59, 58, 0);
const SUMMER_TIME = Date.UTC(2001, 2, 25, 1);
const WINTER_TIME = Date.UTC(2001, 9, 28, 1);

export const source = (keyed: boolean, corrections?: 'values' | 'times'): SourceDefinition => ({
  name: 'trips',
  topic: 'trips',
  eventTime: 'at',
  eventId: 'id',
  ...(keyed ? { key: ['city', 'line'], corrections } : {}),
  schema: {
    id: 'String',
    at: 'DateTime64(3)',
    city: 'String',
    line: 'Int32',
    fare: 'Nullable(Float64)',
    stops: 'Nullable(Int32)',
    micros: 'Nullable(Int64)',
    driver: 'Nullable(String)',
  },
});
export const entity: EntityDefinition = { name: 'route', joinKeys: { city: 'String', line: 'Int32' } };

/** Filters, and what they mean, said once more by hand for the oracle. */
export const FILTERS: Readonly<Record<string, (event: OracleEvent) => boolean>> = {
  'fare > 0': ({ columns: { fare } }) => Number(fare) > 0,
  "driver = 'Bo' or stops between -5 and 5": ({ columns: { driver, stops } }) => driver === 'Bo' || Math.abs(Number(stops ?? 9)) <= 5,
  'not (micros < 0) and driver is not null': ({ columns: { micros, driver } }) => Number(micros ?? -1) >= 0 && driver !== null,
  "coalesce(stops, 0) % 2 = 0 and at >= '2001-03-25T02:59:58.300+01:59'": ({ columns: { stops }, time }) =>
    Number(stops ?? 0) % 2 === 0 && time >= Date.UTC(2001, 2, 25, 1, 0, 58, 300),
};

/** Expressions over the first feature, which has a window, and what they mean. */
export const EXPRESSIONS: OracleTerms['expressions'] = {
  'f0 is null': (feature) => ({ value: feature('f0').value === null ? 1 : 0, status: Status.PRESENT, time: feature('f0').time }),
  "if(f0 is null, null, '>' || to_text(hour(asked_at)))": (feature, at) => {
    const { value, status, time } = feature('f0');
    return { value: value === null ? null : `>${new Date(at).getUTCHours()}`, status, time };
  },
};

export type Unit = 'ms' | 'h';
export const MILLISECONDS: Readonly<Record<Unit, number>> = { ms: 1, h: 3_600_000 };

type Feature = (unit: Unit) => FeatureDefinition;

const COLUMNS = ['fare', 'stops', 'micros', 'driver'] as const;
const NUMERIC = ['sum', 'mean', 'min', 'max', 'var_pop', 'var_samp', 'stddev_pop', 'stddev_samp', 'quantile'] as const;
const OF_ANY = ['count', 'first', 'last', 'count_distinct', 'top_k'] as const;
const asked: fc.Arbitrary<Omit<FeatureDefinition, 'name'>> = fc
  .tuple(fc.constantFrom(...NUMERIC, ...OF_ANY, 'count of events' as const), fc.nat(3), fc.integer({ min: 1, max: 4 }))
  .map(([aggregate, place, parameter]) => {
    if (aggregate === 'count of events') return { aggregate: 'count' };
    const column = COLUMNS[(NUMERIC as readonly string[]).includes(aggregate) ? place % 3 : place] as string;
    if (aggregate === 'top_k') return { aggregate, column, k: parameter };
    if (aggregate === 'quantile') return { aggregate, column, quantile: [0, 0.1, 0.5, 1][parameter - 1] as number };
    return { aggregate, column };
  });
const windowed: fc.Arbitrary<(unit: Unit) => Partial<FeatureDefinition>> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(100, 640, 1500).map((length) => (unit: Unit) => ({ window: `${length}${unit}` })) },
  fc.constantFrom(100, 700).map((length) => (unit: Unit) => ({ window: `${length}${unit}`, windowKind: 'tumbling' as const })),
  fc
    .tuple(fc.constantFrom(400, 1500), fc.constantFrom(10, 100))
    .map(([length, gap]) => (unit: Unit) => ({ window: `${length}${unit}`, windowKind: 'session' as const, gap: `${gap}${unit}` })),
  // Every chunk of a lifetime is kept, so its chunks are days at least.
  fc.constant((unit: Unit) => (unit === 'h' ? { windowKind: 'lifetime' as const } : { window: '1500ms' })),
);
const windowedFeature: fc.Arbitrary<Feature> = fc
  .tuple(
    asked,
    windowed,
    fc.constantFrom(undefined, true, false),
    fc.option(fc.constantFrom(...Object.keys(FILTERS)), { nil: undefined, freq: 2 }),
  )
  .map(([of, window, includeCurrent, filter]) => (unit) => ({
    name: '',
    ...of,
    ...window(unit),
    ...(includeCurrent === undefined ? {} : { includeCurrent }),
    ...(filter === undefined ? {} : { filter }),
  }));
const latestFeature: fc.Arbitrary<Feature> = fc
  .constantFrom(...COLUMNS)
  .map((column) => () => ({ name: '', aggregate: 'last' as const, column }));

export interface Trip {
  readonly city: string;
  readonly line: number;
  /** In units after the epoch. */
  readonly time: number;
  /** Milliseconds beside it. */
  readonly beside: number;
  readonly written: number;
  readonly id: number;
  readonly fare: number | null;
  readonly stops: number | null;
  readonly micros: bigint | null;
  readonly driver: string | null;
  readonly partition: number;
}

const trip = fc.record<Trip>({
  city: fc.constantFrom('1', '12', 'Zürich'),
  line: fc.constantFrom(23, 3),
  // Few distinct times, many of them on the edges of tiles and windows.
  time: fc.oneof(
    fc.nat(3000),
    fc.nat(30).map((step) => step * 100),
    fc.nat(200).map((step) => step * 10),
  ),
  beside: fc.constantFrom(0, 0, 0, 1, -1),
  written: fc.nat(3),
  id: fc.nat(60),
  fare: fc.oneof(fc.constantFrom(null, 0, -0, 0.1, 0.2, 0.3, 1e16, -1e16, 1e-16), fc.double({ noNaN: true, noDefaultInfinity: true })),
  stops: fc.oneof(fc.constant(null), fc.integer(), fc.integer({ min: -6, max: 6 })),
  micros: fc.oneof(fc.constant(null), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -9n, max: 9n })),
  driver: fc.oneof(fc.constant(null), fc.constantFrom('', 'Ä', 'Bo'), fc.string({ unit: 'grapheme', maxLength: 5 })),
  partition: fc.nat(PARTITIONS - 1),
});

export interface History {
  readonly trips: readonly Trip[];
  readonly keyed: boolean;
  /** Of a keyed source. */
  readonly corrections: 'values' | 'times' | undefined;
  readonly unit: Unit;
  readonly features: readonly Feature[];
  readonly span: number | undefined;
  readonly ttl: number | undefined;
  readonly history: number;
  readonly cuts: readonly number[];
  readonly cold: boolean;
  readonly questions: readonly number[];
}

export const history: fc.Arbitrary<History> = fc.record({
  trips: fc.oneof(
    { weight: 6, arbitrary: fc.array(trip, { maxLength: 40 }) },
    { weight: 1, arbitrary: fc.array(trip, { minLength: 100, maxLength: 160 }) },
  ),
  keyed: fc.boolean(),
  corrections: fc.constantFrom(undefined, 'values' as const, 'times' as const),
  unit: fc.constantFrom('ms' as const, 'h' as const),
  features: fc
    .tuple(
      fc.array(windowedFeature, { minLength: 1, maxLength: 5 }),
      fc.array(latestFeature, { maxLength: 1 }),
      fc.array(fc.constantFrom(...Object.keys(EXPRESSIONS)), { maxLength: 1 }),
    )
    .map(([windows, latest, expressions]) => [...windows, ...latest, ...expressions.map((expression) => () => ({ name: '', expression }))]),
  span: fc.constantFrom(undefined, 100, 320),
  ttl: fc.constantFrom(undefined, 300),
  history: fc.constantFrom(0, 500, 10_000),
  cuts: fc.array(fc.nat(160), { maxLength: 4 }),
  cold: fc.boolean(),
  questions: fc.array(
    fc.oneof(
      fc.nat(3600),
      fc.nat(36).map((step) => step * 100),
    ),
    { minLength: 1, maxLength: 2 },
  ),
});

export function viewOf({ unit, features, span, ttl, history: kept }: History): FeatureViewDefinition {
  return {
    name: 'route_trips',
    entity: 'route',
    source: 'trips',
    history: `${kept}${unit}`,
    ...(span === undefined ? {} : { span: `${span}${unit}` }),
    ...(ttl === undefined ? {} : { ttl: `${ttl}${unit}` }),
    features: features.map((feature, index) => ({ ...feature(unit), name: `f${index}` })),
  };
}

export function timeOf(trip: Trip, unit: Unit): number {
  return EPOCH + trip.time * MILLISECONDS[unit] + trip.beside;
}

/** The same instant as different producers write it: milliseconds, UTC, central European time, ClickHouse's form. */
function written(time: number, form: number): number | string {
  const iso = (at: number): string => new Date(at).toISOString().slice(0, -1);
  if (form === 0) return time;
  if (form === 1) return `${iso(time)}Z`;
  if (form === 3) return iso(time).replace('T', ' ');
  const isSummer = time >= SUMMER_TIME && time < WINTER_TIME;
  return `${iso(time + (isSummer ? 7_200_000 : 3_600_000))}${isSummer ? '+02:00' : '+01:00'}`;
}

export interface LogEntry {
  readonly trip: Trip;
  readonly partition: number;
  readonly offset: number;
}

/** The log as it would be: each trip in its partition with the next offset. */
export function logOf(trips: readonly Trip[], keyed: boolean): LogEntry[] {
  const next = new Array<number>(PARTITIONS).fill(0);
  return trips.map((item) => {
    const partition = keyed ? partitionOf(JSON.stringify([item.city, item.line]), PARTITIONS) : item.partition;
    const offset = next[partition] as number;
    next[partition] = offset + 1;
    return { trip: item, partition, offset };
  });
}

export function decode(plan: ViewPlan, log: readonly LogEntry[], unit: Unit): SourceEvent[] {
  return log.map(({ trip: item, partition, offset }) => {
    const at = written(timeOf(item, unit), item.written);
    const json = { ...item, id: `trip-${item.id}`, at, micros: item.micros?.toString() ?? null };
    const decoded = readSourceEvent(plan.source, json, partition, offset);
    if (!decoded.ok) throw new Error(decoded.reason);
    return decoded.value;
  });
}

export function told({ trip: item, partition, offset }: LogEntry, unit: Unit): OracleEvent {
  const { fare, stops, micros, driver } = item;
  const columns = { fare: fare === null ? null : fare + 0, stops, micros, driver };
  return { partition, offset, id: `trip-${item.id}`, time: timeOf(item, unit), columns };
}
