import { describe, expect, test } from '@jest/globals';
import { partitionOf } from '@millrace/event-log';
import { MemoryOnlineStore } from '@millrace/online-store';
import fc from 'fast-check';
import type { Value } from '../column-type.js';
import type { OnDemandViewDefinition } from '../definitions.js';
import { EntityHistory } from '../entity-history.js';
import { OnlineReader } from '../online-reader.js';
import { OnlineUpdater } from '../online-updater.js';
import { compileFeatureService, parseRequestValue, servicePlan, type ServicePlan } from '../service-plan.js';
import { readSourceEvent, type SourceEvent } from '../source-event.js';
import { Status } from '../status.js';
import { compileView, type ViewPlan } from '../view-plan.js';
import { compileOnDemandView, type OnDemandPlan } from './compile-on-demand-view.js';
import { OnDemandEvaluator } from './evaluate-on-demand.js';

const SCHEMA = {
  at: 'DateTime64(3)',
  city: 'String',
  line: 'Int32',
  fare: 'Nullable(Float64)',
  micros: 'Nullable(Int64)',
  driver: 'Nullable(String)',
  seen: 'Nullable(DateTime64(3))',
  late: 'Nullable(Bool)',
};
const SOURCE = { name: 'trips', topic: 'trips', eventTime: 'at', key: ['city'], schema: SCHEMA };
const CITY = { name: 'place', joinKeys: { city: 'String' } };
const ROUTE = { name: 'route', joinKeys: { city: 'String', line: 'Int32' } };

const cityTrips = compileView(
  {
    name: 'city_trips',
    entity: 'place',
    source: 'trips',
    ttl: '2s',
    features: [
      { name: 'trips_1s', aggregate: 'count', window: '1s' },
      { name: 'micros_1s', aggregate: 'sum', column: 'micros', window: '1s' },
      { name: 'fare', aggregate: 'last', column: 'fare' },
      { name: 'driver', aggregate: 'last', column: 'driver' },
      { name: 'seen', aggregate: 'last', column: 'seen' },
      { name: 'late', aggregate: 'last', column: 'late' },
      { name: 'doubled', expression: 'trips_1s * 2' },
      { name: 'wide', expression: 'micros_1s + 1' },
    ],
  },
  CITY,
  SOURCE,
);
const routeTrips = compileView(
  { name: 'route_trips', entity: 'route', source: 'trips', features: [{ name: 'fare', aggregate: 'last', column: 'fare' }] },
  ROUTE,
  SOURCE,
);
const STORED = new Map([cityTrips, routeTrips].map((plan) => [plan.name, plan]));
const find = (name: string): ViewPlan | undefined => STORED.get(name);

function compile(definition: Partial<OnDemandViewDefinition>): OnDemandPlan {
  return compileOnDemandView({ name: 'checks', features: [{ name: 'x', expression: 'distance' }], ...definition }, find);
}

const distance = { distance: 'Float64' };

describe('a view computed on demand', () => {
  test.each<[string, Partial<OnDemandViewDefinition>, RegExp]>([
    ['an unknown view', { inputs: ['city_trip'] }, /there is no feature view city_trip to compute from/],
    ['an unknown feature', { inputs: ['city_trips:fares'] }, /feature view city_trips has no feature fares/],
    [
      'an unknown name',
      { request: distance, features: [{ name: 'x', expression: 'distnce * 2' }] },
      /there is no input distnce; did you mean distance\?/,
    ],
    [
      'a name that two views have',
      { inputs: ['city_trips', 'route_trips'], features: [{ name: 'x', expression: 'fare' }] },
      /there is no input fare; write city_trips__fare or route_trips__fare/,
    ],
    [
      'a type that does not fit',
      { inputs: ['city_trips'], features: [{ name: 'x', expression: 'driver + 1' }] },
      /\+ cannot take text and a whole number/,
    ],
    ['an unknown type', { request: { distance: 'Float16' } }, /request field distance has the type Float16, which is not one of/],
    [
      'a request field like an input',
      { inputs: ['city_trips:fare'], request: { fare: 'Float64' } },
      /request field fare is also an input from feature view city_trips/,
    ],
    [
      'a request field like a join key',
      { inputs: ['city_trips:fare'], request: { city: 'String' } },
      /request field city is also a join key of feature view city_trips/,
    ],
    [
      'a feature like a request field',
      { request: distance, features: [{ name: 'distance', expression: 'distance' }] },
      /distance is a feature and a request field/,
    ],
    [
      'a feature like a join key',
      { inputs: ['city_trips'], features: [{ name: 'city', expression: 'fare' }] },
      /city is a feature and a join key/,
    ],
    [
      'a feature that is there twice',
      { request: distance, features: ['a', 'a'].map((name) => ({ name, expression: 'distance' })) },
      /two features have one name/,
    ],
    ['the time asked for as a field', { request: { asked_at: 'Float64' } }, /may be called asked_at/],
    [
      'an aggregate',
      { request: distance, features: [{ name: 'x', aggregate: 'count' }] },
      /feature x needs an expression; a view without a source/,
    ],
    [
      'an aggregate’s field',
      { request: distance, features: [{ name: 'x', expression: 'distance', window: '1h' }] },
      /feature x is an expression and takes no window/,
    ],
    ['nothing but null', { request: distance, features: [{ name: 'x', expression: 'null' }] }, /expression of x is always null/],
    ['nothing to compute from', { features: [{ name: 'x', expression: '1' }] }, /neither inputs nor request fields/],
    ['no features', { request: distance, features: [] }, /it has no features/],
  ])('with %s is refused with a sentence', (_what, definition, message) => {
    expect(() => compile(definition)).toThrow(message);
  });

  test('calls what it reads by its name, and by the view’s as well where two have one', () => {
    const { inputs, features } = compile({
      inputs: ['city_trips:fare', 'city_trips:trips_1s', 'city_trips:fare', 'route_trips'],
      features: [{ name: 'x', expression: 'city_trips__fare - route_trips__fare + trips_1s' }],
    });
    expect(inputs.map(({ name }) => name)).toEqual(['city_trips__fare', 'trips_1s', 'route_trips__fare']);
    expect(features.map(({ type }) => type)).toEqual(['Float64']);
  });

  test('has the types of its expressions', () => {
    const texts = { a: 'doubled + 1', b: 'wide', c: 'seen', d: 'late', e: 'driver', f: 'trips_1s / 2', g: 'asked_at - seen', h: 'day' };
    const features = Object.entries(texts).map(([name, expression]) => ({ name, expression }));
    const { features: compiled } = compile({ inputs: ['city_trips'], request: { day: 'Date' }, features });
    expect(compiled.map(({ type }) => type)).toEqual([
      'Int64',
      'Int64',
      'DateTime64(3)',
      'Bool',
      'String',
      'Float64',
      'Int64',
      'DateTime64(3)',
    ]);
  });

  test('has another version with another expression, request, input, or version of an input, and the same with other words about it', () => {
    const base = { inputs: ['city_trips:fare'], request: distance, features: [{ name: 'x', expression: 'fare / distance' }] };
    const other = compileView(
      { name: 'city_trips', entity: 'place', source: 'trips', ttl: '3s', features: [{ name: 'fare', aggregate: 'last', column: 'fare' }] },
      CITY,
      SOURCE,
    );
    const versions = [
      compile(base),
      compile({ ...base, features: [{ name: 'x', expression: 'fare * distance' }] }),
      compile({ ...base, request: { distance: 'Float32' } }),
      compile({ ...base, inputs: ['city_trips:fare', 'city_trips:late'] }),
      compileOnDemandView({ name: 'checks', ...base }, () => other),
    ].map(({ version }) => version);
    expect(new Set(versions).size).toBe(5);
    const described = { ...base, features: [{ ...base.features[0], description: 'what a mile costs' }] };
    expect(compile(described as never).version).toBe(versions[0]);
    expect(compile({ ...base, name: 'checks@1', pins: { city_trips: 'city_trips' } }).version).toBe(versions[0]);
  });
});

describe('a service with views computed on demand', () => {
  const checks = compile({
    inputs: ['city_trips', 'route_trips:fare'],
    request: distance,
    features: [
      { name: 'per_km', expression: 'city_trips__fare / distance' },
      { name: 'busy', expression: 'trips_1s > 3' },
    ],
  });
  const views = new Map([...STORED, ['checks', checks] as const]);

  test('reads what its features use and nothing else, each view once', () => {
    const plan = compileFeatureService({ name: 's', features: ['checks:per_km', 'city_trips:fare'] }, views);
    expect(plan.views.map(({ name }) => name)).toEqual(['city_trips']);
    expect(plan.stored.map(({ name }) => name)).toEqual(['fare']);
    expect(plan.joinKeys.map(({ name }) => name)).toEqual(['city']);
    expect(plan.request.map(({ name, type }) => [name, type.name])).toEqual([['distance', 'Float64']]);
    expect(plan.columns.map((column) => (typeof column === 'number' ? column : column.feature.name))).toEqual(['per_km', 0]);
  });

  test('unites what it takes from the request, and refuses one name with two types', () => {
    const own = { name: 's', features: ['checks'], request: { seats: 'Int32', distance: 'Float64' } };
    expect(compileFeatureService(own, views).request.map(({ name }) => name)).toEqual(['seats', 'distance']);
    expect(() => compileFeatureService({ ...own, request: { distance: 'Float32' } }, views)).toThrow(
      'request field distance is Float64 in feature view checks and Float32 in the feature service',
    );
    const others = new Map([...views, ['more', compile({ name: 'more', request: { distance: 'Int32' } })] as const]);
    expect(() => compileFeatureService({ name: 's', features: ['checks', 'more'] }, others)).toThrow(
      'request field distance is Int32 in feature view more and Float64 in feature view checks',
    );
  });

  test('without any it is read as ever', () => {
    const plan = compileFeatureService({ name: 's', features: ['city_trips'] }, views);
    expect(plan.stored).toBe(plan.features);
    expect(plan.onDemand).toEqual([]);
  });

  test('of the request alone reads nothing', async () => {
    const plan = compileFeatureService(
      { name: 's', features: ['only'] },
      new Map([['only', compile({ name: 'only', request: distance })]]),
    );
    const store = { getMany: () => Promise.reject(new Error('it was read')) } as unknown as MemoryOnlineStore;
    const { columns, positions } = await new OnlineReader(store, () => 1).readVectors(plan, [{}, {}], 0, [[2, null]]);
    expect(columns).toEqual([
      { view: 'only', name: 'x', type: 'Float64', values: [2, null], statuses: [Status.PRESENT, Status.NULL_VALUE], times: [0, 0] },
    ]);
    expect(positions).toEqual({});
  });
});

const EPOCH = Date.UTC(2001, 1, 28, 23, 59, 59, 0);
const REQUEST = { distance: 'Float64', seats: 'Int32', id: 'Int64', note: 'String', booked: 'DateTime64(3)', member: 'Bool' };
type Given = Readonly<Record<string, Value>>;

/** Expressions, and what they mean, said once more by hand; `null` in, or nothing right to say: null out. */
const MEANINGS: Readonly<Record<string, (of: Given, at: number) => Value>> = {
  'city_trips__fare / distance': ({ fare, distance: by }) => finite(fare === null || by === null ? null : Number(fare) / Number(by)),
  'coalesce(city_trips__fare, distance, 0)': ({ fare, distance: by }) => (fare ?? by ?? 0) as Value,
  'micros_1s + id': ({ micros_1s: a, id: b }) => int64(a === null || b === null ? null : (a as bigint) + (b as bigint)),
  'wide - id': ({ wide: a, id: b }) => int64(a === null || b === null ? null : (a as bigint) - (b as bigint)),
  'doubled * seats': ({ doubled: a, seats: b }) => safe(a === null || b === null ? null : Number(a) * Number(b)),
  'seen > booked': ({ seen, booked }) => truth(seen === null || booked === null ? null : Number(seen) > Number(booked)),
  'asked_at - booked': ({ booked }, at) => (booked === null ? null : at - Number(booked)),
  "if(member or late, upper(note), '-')": ({ member, late, note }) => {
    const holds = member === 1 || late === 1;
    return holds ? (note === null ? null : String(note).toUpperCase()) : '-';
  },
  'route_trips__fare is null and note = driver': ({ route_fare: fare, note, driver }) =>
    fare !== null ? 0 : note === null || driver === null ? null : truth(note === driver),
  "driver || '/' || note": ({ driver, note }) => (driver === null || note === null ? null : `${String(driver)}/${String(note)}`),
};

function finite(value: number | null): Value {
  return value === null || !Number.isFinite(value) ? null : value + 0;
}

function safe(value: number | null): Value {
  return value === null || !Number.isSafeInteger(value) ? null : value + 0;
}

function int64(value: bigint | null): Value {
  return value === null || BigInt.asIntN(64, value) !== value ? null : value;
}

function truth(value: boolean | null): Value {
  return value === null ? null : value ? 1 : 0;
}

const nullable = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null, freq: 4 });
const double = fc.oneof(fc.constantFrom(0, -0, 0.1, 1e300, 5e-324), fc.double({ noNaN: true, noDefaultInfinity: true }));
const int64Text = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -9n, max: 9n })).map(String);
const text = fc.oneof(fc.constantFrom('', 'Ä', 'Bo'), fc.string({ unit: 'grapheme', maxLength: 4 }));
const moment = fc.nat(4000).map((offset) => EPOCH + offset);

const trip = fc.record({
  time: fc.nat(2500),
  city: fc.constantFrom('1', '12'),
  line: fc.constantFrom(3, 23),
  fare: nullable(double),
  micros: nullable(int64Text),
  driver: nullable(text),
  seen: nullable(moment),
  late: nullable(fc.boolean()),
});
const asked = fc.record({
  distance: nullable(double),
  seats: nullable(fc.integer()),
  id: nullable(int64Text),
  note: nullable(text),
  booked: nullable(moment),
  member: nullable(fc.boolean()),
});
const ROWS = ['1', '12', 'nowhere'].flatMap((city) => [3, 23].map((line) => ({ city, line })));

const texts = Object.keys(MEANINGS);
const generated = compile({
  name: 'generated',
  inputs: ['city_trips', 'route_trips'],
  request: REQUEST,
  features: texts.map((expression, index) => ({ name: `x${index}`, expression })),
});

/** The same question offline: the engine's values of each view, from the events, through the same evaluator. */
function offline(
  plan: ServicePlan,
  events: readonly SourceEvent[],
  row: (typeof ROWS)[number],
  request: readonly Value[],
  at: number,
): Value[] {
  const histories = plan.views.map(
    (view) =>
      new EntityHistory(
        view,
        events.filter((event) => view.joinKeys.every((key) => event.values[key.source] === row[key.name as 'city'])),
      ),
  );
  const stored = plan.stored.map(({ view, feature }) => histories[plan.views.indexOf(view)]?.at(at).values[feature] as Value);
  return plan.columns.map((column) =>
    typeof column === 'number' ? (stored[column] as Value) : new OnDemandEvaluator(column).value(stored, request, at),
  );
}

test('is online what it is offline and what is written by hand, bit for bit, for nulls, 64-bit integers, times and text', async () => {
  const answered = new Map<string, number>();
  let mostlyNull = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(trip, { maxLength: 25 }),
      fc.array(asked, { minLength: ROWS.length, maxLength: ROWS.length }),
      fc.subarray(
        texts.map((_, index) => index),
        { minLength: 1 },
      ),
      fc.boolean(),
      fc.integer({ min: -500, max: 6000 }),
      async (trips, requests, chosen, isBeside, question) => {
        const own = chosen.map((index) => ({ view: generated, feature: index, name: `x${index}` }));
        const beside = isBeside ? [{ view: cityTrips, feature: 2, name: 'fare' }] : [];
        const plan = servicePlan([...beside, ...own]);
        const next = [0, 0];
        const events = trips.map((item): SourceEvent => {
          const partition = partitionOf(item.city, 2);
          const decoded = readSourceEvent(cityTrips.source, { ...item, at: EPOCH + item.time }, partition, next[partition]!++);
          if (!decoded.ok) throw new Error(decoded.reason);
          return decoded.value;
        });
        const store = new MemoryOnlineStore();
        for (const view of STORED.values()) {
          for (const partition of [0, 1]) {
            const updater = new OnlineUpdater({ plan: view, store, partition });
            await updater.load();
            await updater.apply(
              events.filter((event) => event.partition === partition),
              next[partition] as number,
            );
          }
        }
        const at = EPOCH + question;
        const parsed = requests.map((row) => plan.request.map(({ name, type }) => parseRequestValue(type, row[name as 'note']) as Value));
        const request = plan.request.map((_, index) => parsed.map((row) => row[index] as Value));
        const { columns } = await new OnlineReader(store, () => 2).readVectors(plan, ROWS, at, request);
        expect(columns.map(({ name }) => name)).toEqual(plan.features.map(({ name }) => name));
        for (const [row, entity] of ROWS.entries()) {
          const told = offline(plan, events, entity, parsed[row] as Value[], at);
          const ofCity = offline(
            servicePlan(cityTrips.features.map((item, feature) => ({ view: cityTrips, feature, name: item.name }))),
            events,
            entity,
            [],
            at,
          );
          const [routeFare] = offline(servicePlan([{ view: routeTrips, feature: 0, name: 'fare' }]), events, entity, [], at);
          const of: Record<string, Value> = { route_fare: routeFare as Value };
          for (const [index, item] of cityTrips.features.entries()) of[item.name] = ofCity[index] as Value;
          for (const [index, field] of plan.request.entries()) of[field.name] = parsed[row]?.[index] as Value;
          for (const [index, column] of columns.entries()) {
            const [value, status] = [column.values[row] as Value, column.statuses[row]];
            if (status === Status.INVALID) continue;
            if (!Object.is(value, told[index])) throw new Error(`${column.name}: online ${String(value)}, offline ${String(told[index])}`);
            if (column.view !== 'generated') continue;
            const expression = texts[Number(column.name.slice(1))] as string;
            const want = MEANINGS[expression]?.(of, at) as Value;
            if (!Object.is(value, want)) throw new Error(`${expression}: ${String(value)}, by hand ${String(want)}`);
            expect(status).toBe(value === null ? Status.NULL_VALUE : Status.PRESENT);
            if (value === null) mostlyNull++;
            else answered.set(expression, (answered.get(expression) ?? 0) + 1);
          }
        }
      },
    ),
    { numRuns: 1_000 },
  );
  expect([...answered.keys()].sort()).toEqual([...texts].sort());
  expect([...answered.values()].filter((times) => times < 100)).toEqual([]);
  expect(mostlyNull).toBeGreaterThan(1_000);
}, 300_000);

test('what rests on a value that the store cannot tell any more cannot be told, and says so; the rest is answered', async () => {
  const view = compileView(
    {
      name: 'city_trips',
      entity: 'place',
      source: 'trips',
      history: '100ms',
      span: '100ms',
      features: [{ name: 'n', aggregate: 'count', window: '100ms' }],
    },
    CITY,
    SOURCE,
  );
  const onDemand = compileOnDemandView(
    {
      name: 'checks',
      inputs: ['city_trips'],
      request: distance,
      features: [
        { name: 'a', expression: 'coalesce(n, 7)' },
        { name: 'b', expression: 'distance' },
      ],
    },
    () => view,
  );
  const store = new MemoryOnlineStore();
  const updater = new OnlineUpdater({ plan: view, store, partition: 0 });
  await updater.load();
  const events = Array.from({ length: 20 }, (_, index) => {
    const decoded = readSourceEvent(view.source, { at: EPOCH + index * 100, city: '1', line: 3 }, 0, index);
    if (!decoded.ok) throw new Error(decoded.reason);
    return decoded.value;
  });
  await updater.apply(events, events.length);
  const plan = servicePlan(onDemand.features.map(({ name }, feature) => ({ view: onDemand, feature, name })));
  const { columns } = await new OnlineReader(store, () => 1).readVectors(plan, [{ city: '1' }, { city: '2' }], EPOCH + 150, [[1, 2]]);
  expect(columns.map(({ values, statuses }) => [values, statuses])).toEqual([
    [
      [null, 7],
      [Status.INVALID, Status.PRESENT],
    ],
    [
      [1, 2],
      [Status.PRESENT, Status.PRESENT],
    ],
  ]);
});
