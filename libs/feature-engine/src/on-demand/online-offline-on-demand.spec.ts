import { expect, test } from '@jest/globals';
import { partitionOf } from '@millrace/event-log';
import { MemoryOnlineStore } from '@millrace/online-store';
import fc from 'fast-check';
import type { Value } from '../column-type.js';
import { EntityHistory } from '../entity-history.js';
import { OnlineReader } from '../online-reader.js';
import { OnlineUpdater } from '../online-updater.js';
import { parseRequestValue, servicePlan, type ServicePlan } from '../service-plan.js';
import { readSourceEvent, type SourceEvent } from '../source-event.js';
import { Status } from '../status.js';
import { CITY, cityTrips, compileChecks, routeTrips, SOURCE, STORED } from '../testing/trip-views.js';
import { compileView } from '../view-plan.js';
import { compileOnDemandView } from './compile-on-demand-view.js';

const EPOCH = Date.UTC(2001, 1, 28, 23, 59, 59, 0);
const REQUEST = { distance: 'Float64', seats: 'Int32', id: 'Int64', note: 'String', booked: 'DateTime64(3)', member: 'Bool' };
type Given = Readonly<Record<string, Value>>;

/** Expressions, and what they mean, said once more by hand; `null` in, or nothing right to say: null out. */
const MEANINGS: Readonly<Record<string, (of: Given, at: number) => Value>> = {
  'city_trips__fare / distance': ({ fare, distance: by }) => finite(fare === null || by === null ? null : Number(fare) / Number(by)),
  'coalesce(city_trips__fare, distance, 0)': ({ fare, distance: by }) => fare ?? by ?? 0,
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
const generated = compileChecks({
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
  return plan.columns.map((column) => (typeof column === 'number' ? (stored[column] as Value) : column.value(stored, request, at)));
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
      request: { distance: 'Float64' },
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
