import { expect, test } from '@jest/globals';
import { MemoryOnlineStore } from '@millrace/online-store';
import { EntityHistory } from './entity-history.js';
import { OnlineReader } from './online-reader.js';
import { OnlineUpdater } from './online-updater.js';
import { servicePlan } from './service-plan.js';
import { readSourceEvent, type SourceEvent } from './source-event.js';
import { compileView } from './view-plan.js';

const HOUR = 3_600_000;
const EVENTS = 12_000;
const START = Date.UTC(2001, 9, 28);

interface Visit {
  readonly id: string;
  readonly at: number;
  readonly user: string;
  readonly spent: number;
}

/** Visits of one shop in an order that has nothing to do with their times; one in ten is told twice, the second time with other values. */
function visits(): Visit[] {
  const told: Visit[] = [];
  for (let index = 0; told.length < EVENTS; index++) {
    const place = (index * 7_919) % EVENTS;
    const user = `user-${(place * 31) % 5_003}`;
    const spent = ((place * 104_729) % 1_000_003) / 100 - 50;
    told.push({ id: `v${place}`, at: START + place * 250, user, spent });
    if (index % 10 === 3) told.push({ id: `v${place}`, at: START + place * 250 + 1, user: `${user}x`, spent: spent * 2 });
  }
  return told;
}

test('where the sketches begin, online and offline are still equal bit for bit, and as near to the truth as is said', async () => {
  const plan = compileView(
    {
      name: 'shop',
      entity: 'shop',
      source: 'visits',
      features: [
        { name: 'users', aggregate: 'count_distinct', column: 'user', window: '1h' },
        { name: 'amounts', aggregate: 'count_distinct', column: 'spent', window: '1h' },
        { name: 'p50', aggregate: 'quantile', quantile: 0.5, column: 'spent', window: '1h' },
        { name: 'p99', aggregate: 'quantile', quantile: 0.99, column: 'spent', window: '1h' },
        { name: 'dear_users', aggregate: 'count_distinct', column: 'user', window: '1h', filter: 'spent > 0' },
        { name: 'spread', aggregate: 'stddev_pop', column: 'spent', window: '1h' },
        { name: 'top', aggregate: 'top_k', k: 2, column: 'user', window: '1h' },
      ],
    },
    { name: 'shop', joinKeys: { shop: 'Int32' } },
    {
      name: 'visits',
      topic: 'visits',
      eventTime: 'at',
      eventId: 'id',
      key: ['shop'],
      schema: { id: 'String', at: 'DateTime64(3)', shop: 'Int32', user: 'String', spent: 'Float64' },
    },
  );
  const told = visits();
  const events = told.map((visit, offset): SourceEvent => {
    const decoded = readSourceEvent(plan.source, { ...visit, shop: 1 }, 0, offset);
    if (!decoded.ok) throw new Error(decoded.reason);
    return decoded.value;
  });
  const store = new MemoryOnlineStore();
  const updater = new OnlineUpdater({ plan, store, partition: 0 });
  await updater.load();
  for (let from = 0; from < events.length; from += 1_000) await updater.apply(events.slice(from, from + 1_000), from + 1_000);
  const reader = new OnlineReader(store, () => 1);
  const service = servicePlan(plan.features.map(({ name }, feature) => ({ view: plan, feature, name })));
  const history = new EntityHistory(plan, [...events].reverse());
  const standing = [...new Map(told.map((visit) => [visit.id, visit])).values()];

  for (const at of [START + HOUR / 2, START + HOUR / 2 + 125, START + HOUR]) {
    const { columns } = await reader.readVectors(service, [{ shop: 1 }], at);
    const offline = history.at(at);
    const values = columns.map((column) => column.values[0]);
    expect(values).toEqual(offline.values);
    expect(columns.map((column) => column.times[0])).toEqual(offline.times);

    const inside = standing.filter((visit) => visit.at >= at - HOUR && visit.at < at);
    const [users, amounts, p50, p99, dear, spread, top] = values as [number, number, number, number, number, number, string];
    const near = (estimate: number, exact: number, error: number): void =>
      expect(Math.abs(estimate - exact)).toBeLessThanOrEqual(Math.abs(exact) * error);
    const distinct = (some: readonly Visit[], of: (visit: Visit) => unknown): number => new Set(some.map(of)).size;
    expect(distinct(inside, ({ user }) => user)).toBeGreaterThan(2_000);
    near(
      users,
      distinct(inside, ({ user }) => user),
      4 * 0.0081,
    );
    near(
      amounts,
      distinct(inside, ({ spent }) => spent),
      4 * 0.0081,
    );
    near(
      dear,
      distinct(
        inside.filter(({ spent }) => spent > 0),
        ({ user }) => user,
      ),
      4 * 0.0081,
    );
    const ranked = inside.map(({ spent }) => spent).sort((a, b) => a - b);
    near(p50, ranked[Math.floor(0.5 * (ranked.length - 1))] as number, 1 / 128);
    near(p99, ranked[Math.floor(0.99 * (ranked.length - 1))] as number, 1 / 128);
    const mean = ranked.reduce((sum, value) => sum + value, 0) / ranked.length;
    near(spread, Math.sqrt(ranked.reduce((sum, value) => sum + (value - mean) ** 2, 0) / ranked.length), 1e-12);
    expect(JSON.parse(top)).toHaveLength(2);
  }
});
