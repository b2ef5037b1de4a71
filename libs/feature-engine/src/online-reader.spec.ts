import { expect, test } from '@jest/globals';
import { partitionOf } from '@millrace/event-log';
import { MemoryOnlineStore } from '@millrace/online-store';
import fc from 'fast-check';
import { EntityHistory } from './entity-history.js';
import { OnlineReader } from './online-reader.js';
import { OnlineUpdater } from './online-updater.js';
import { servicePlan } from './service-plan.js';
import { readSourceEvent, type SourceEvent } from './source-event.js';
import { Status } from './status.js';
import { compileView, type ViewPlan } from './view-plan.js';

const EPOCH = Date.UTC(2001, 1, 28, 23, 59, 59, 0);
const CITIES = ['1', '12', 'Zürich', 'nowhere'];

function planOf(partitions: number, ttl: string | undefined, hasId: boolean): ViewPlan {
  const schema = {
    id: 'Int32',
    at: 'DateTime64(3)',
    city: 'String',
    fare: 'Nullable(Float64)',
    micros: 'Nullable(Int64)',
    driver: 'Nullable(String)',
  };
  return compileView(
    {
      ...{ name: 'latest', entity: 'city', source: 'trips', span: '320ms', history: '1s', ...(ttl === undefined ? {} : { ttl }) },
      features: ['driver', 'fare', 'micros'].map((column) => ({ name: `last_${column}`, aggregate: 'last', column })),
    },
    { name: 'city', joinKeys: { city: 'String' } },
    {
      ...{ name: 'trips', topic: 'trips', eventTime: 'at', schema, ...(hasId ? { eventId: 'id' } : {}) },
      ...(partitions === 1 ? {} : { key: ['city'] }),
    },
  );
}

const trip = fc.record({
  id: fc.nat(15),
  time: fc.oneof(
    fc.nat(2000),
    fc.nat(20).map((step) => step * 100),
  ),
  city: fc.constantFrom('1', '12', 'Zürich'),
  fare: fc.constantFrom(null, 0.1, -2, 1e300),
  micros: fc.constantFrom(null, '9007199254740993', '-9223372036854775808'),
  driver: fc.constantFrom(null, '', 'Ä'),
});

test('views of latest values alone are read as they are offline, whether an entity has events after the time asked for or not', async () => {
  let read = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        trips: fc.array(trip, { maxLength: 40 }),
        partitions: fc.constantFrom(1, 4),
        ttl: fc.constantFrom(undefined, '300ms'),
        hasId: fc.boolean(),
        questions: fc.array(fc.oneof(fc.nat(2400), fc.constant(1_000_000)), { minLength: 1, maxLength: 4 }),
      }),
      async ({ trips, partitions, ttl, hasId, questions }) => {
        const plan = planOf(partitions, ttl, hasId);
        const next = new Array<number>(partitions).fill(0);
        const events = trips.map((item): SourceEvent => {
          const partition = partitionOf(item.city, partitions);
          const decoded = readSourceEvent(plan.source, { ...item, at: EPOCH + item.time }, partition, next[partition]!++);
          if (!decoded.ok) throw new Error(decoded.reason);
          return decoded.value;
        });
        const store = new MemoryOnlineStore();
        for (let partition = 0; partition < partitions; partition++) {
          const updater = new OnlineUpdater({ plan, store, partition });
          await updater.load();
          await updater.apply(
            events.filter((event) => event.partition === partition),
            next[partition] as number,
          );
        }
        const reader = new OnlineReader(store, () => partitions);
        const service = servicePlan(plan.features.map((feature, index) => ({ view: plan, feature: index, name: feature.name })));
        for (const question of questions) {
          const at = EPOCH + question;
          const { columns, positions } = await reader.readVectors(
            service,
            CITIES.map((city) => ({ city })),
            at,
          );
          for (const [partition, offset] of Object.entries(positions['latest']!)) expect(offset).toBe(next[Number(partition)]);
          for (const [row, city] of CITIES.entries()) {
            const offline = new EntityHistory(
              plan,
              events.filter((_, index) => trips[index]!.city === city),
            ).at(at);
            for (const [index, column] of columns.entries()) {
              if (column.statuses[row] === Status.INVALID) continue;
              read++;
              const served = [column.values[row], column.statuses[row], column.times[row]];
              expect(served).toEqual([offline.values[index], offline.statuses[index], offline.times[index]]);
            }
          }
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(read).toBeGreaterThan(5_000);
});
