import { describe, expect, test } from '@jest/globals';
import { MemoryOnlineStore } from '@millrace/online-store';
import fc from 'fast-check';
import { parseDuration } from './duration.js';
import { EntityHistory } from './entity-history.js';
import { OnlineReader, type FeatureVectors } from './online-reader.js';
import { OnlineUpdater } from './online-updater.js';
import { servicePlan } from './service-plan.js';
import type { SourceEvent } from './source-event.js';
import { Status } from './status.js';
import {
  decode,
  entity,
  EPOCH,
  EXPRESSIONS,
  FILTERS,
  history,
  logOf,
  type LogEntry,
  MILLISECONDS,
  PARTITIONS,
  source,
  told,
  timeOf,
  viewOf,
} from './testing/histories.js';
import { oracle, type OracleTerms } from './testing/oracle.js';
import { compileView, type ViewPlan } from './view-plan.js';

/** Applies the log, partition by partition, in batches cut at `cuts`; `cold` starts each batch with an empty memory. */
async function project(plan: ViewPlan, store: MemoryOnlineStore, events: readonly SourceEvent[], cuts: readonly number[], cold: boolean) {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const own = events.filter((event) => event.partition === partition);
    const bounds = [...new Set([0, ...cuts.filter((cut) => cut < own.length), own.length])].sort((a, b) => a - b);
    let updater = new OnlineUpdater({ plan, store, partition });
    await updater.load();
    for (let index = 1; index < bounds.length; index++) {
      if (cold) {
        updater = new OnlineUpdater({ plan, store, partition });
        await updater.load();
        if (updater.nextOffset !== bounds[index - 1]) throw new Error(`the checkpoint is ${updater.nextOffset}`);
      }
      const isWritten = await updater.apply(own.slice(bounds[index - 1], bounds[index]), bounds[index] as number);
      if (!isWritten) throw new Error('the guard did not hold');
    }
  }
}

async function read(plan: ViewPlan, store: MemoryOnlineStore, at: number): Promise<FeatureVectors> {
  const service = servicePlan(plan.features.map((feature, index) => ({ view: plan, feature: index, name: feature.name })));
  return new OnlineReader(store, () => PARTITIONS).readVectors(service, ENTITIES, at);
}

async function bytesOf(store: MemoryOnlineStore): Promise<string> {
  const lines: string[] = [];
  for await (const [key, value] of store.scan(Buffer.alloc(0))) lines.push(`${key.toString('hex')}=${value.toString('hex')}`);
  return lines.join('\n');
}

interface Told {
  readonly value: unknown;
  readonly status: unknown;
  readonly time: unknown;
}

/** Bit for bit: 0 and -0 differ, and so would two sums taken in different orders. */
function same(a: Told, b: Told): boolean {
  return Object.is(a.value, b.value) && a.status === b.status && a.time === b.time;
}

function show({ value, status, time }: Told): string {
  return `${String(value)} (${String(status)}, ${String(time)})`;
}

const ENTITIES = ['1', '12', 'Zürich', 'nowhere'].flatMap((city) => [23, 3].map((line) => ({ city, line })));
const RUNS = Number(process.env['MILLRACE_TEST_RUNS'] ?? 10_000);

describe('online, offline and oracle', () => {
  test(`agree bit for bit on ${RUNS} histories with late, equal, duplicate, corrected and null values`, async () => {
    let exact = 0;
    let invalid = 0;
    const answered = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(history, async (given) => {
        const { unit } = given;
        const definition = viewOf(given);
        const plan = compileView(definition, entity, source(given.keyed, given.corrections));
        if (plan.partitionBy?.join() !== (given.keyed ? '0,1' : undefined)) throw new Error('the view is partitioned otherwise');
        const log = logOf(given.trips, given.keyed);
        const events = decode(plan, log, unit);
        const store = new MemoryOnlineStore();
        await project(plan, store, events, given.cuts, given.cold);
        const newest = Math.max(-Infinity, ...given.trips.map((item) => timeOf(item, unit)));
        const milliseconds = (text: string): number => parseDuration(text) as number;
        const terms: OracleTerms = {
          spanMs: plan.source.movesEvents ? Infinity : plan.spanMs,
          tileMs: plan.tileMs,
          ttlMs: plan.ttlMs,
          milliseconds,
          filters: FILTERS,
          expressions: EXPRESSIONS,
        };
        const entities = ENTITIES.map(({ city, line }) => {
          const isOwn = ({ trip: item }: LogEntry): boolean => item.city === city && item.line === line;
          const mine = log.filter(isOwn);
          const ids = new Set(mine.map(({ trip: item }) => item.id));
          return {
            told: mine.map((entry) => told(entry, unit)),
            history: new EntityHistory(
              plan,
              events.filter((_, index) => isOwn(log[index]!)),
            ),
            corrected: ids.size < mine.length,
          };
        });
        for (const question of given.questions) {
          const at = EPOCH + question * MILLISECONDS[unit];
          const online = await read(plan, store, at);
          for (const [row, own] of entities.entries()) {
            const expected = oracle(definition, terms, own.told, at);
            const offline = own.history.at(at);
            for (const [index, want] of expected.entries()) {
              const feature = definition.features[index]!;
              const column = online.columns[index]!;
              const what = `${JSON.stringify(feature)} of ${JSON.stringify(ENTITIES[row])} at ${question}`;
              const off = { value: offline.values[index], status: offline.statuses[index], time: offline.times[index] };
              if (!same(off, want)) throw new Error(`${what}: offline ${show(off)}, oracle ${show(want)}`);
              const got = { value: column.values[row], status: column.statuses[row], time: column.times[row] };
              if (got.status === Status.INVALID) {
                invalid++;
                // Never for a time that the view promises to answer; a latest value of an entity in several partitions is not promised.
                const promised = at >= newest - plan.historyMs && (given.keyed || feature.window !== undefined);
                if (promised && !own.corrected) throw new Error(`${what}: INVALID within the history`);
                continue;
              }
              if (!same(got, want)) throw new Error(`${what}: online ${show(got)}, oracle ${show(want)}`);
              exact++;
              if (want.status !== Status.PRESENT) continue;
              for (const kind of [
                feature.aggregate ?? 'expression',
                feature.windowKind ?? 'sliding',
                feature.filter ?? 'no filter',
                `current ${feature.includeCurrent}`,
              ])
                answered.set(kind, (answered.get(kind) ?? 0) + 1);
            }
          }
        }
      }),
      { numRuns: RUNS },
    );
    expect(exact).toBeGreaterThan(invalid);
    expect(invalid).toBeGreaterThan(0);
    // 14 aggregates and expressions, 4 kinds of windows, filters and none, current or not or by default.
    expect(answered.size).toBe(15 + 4 + Object.keys(FILTERS).length + 1 + 3);
    expect([...answered].filter(([, times]) => times < RUNS / 50)).toEqual([]);
  }, 600_000);

  test('what was served after any prefix of the log is what offline says was known then', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(160), async (given, cut) => {
        const { unit } = given;
        const plan = compileView(viewOf(given), entity, source(given.keyed, given.corrections));
        const log = logOf(given.trips, given.keyed);
        const events = decode(plan, log, unit);
        const store = new MemoryOnlineStore();
        await project(plan, store, events.slice(0, cut), [], false);
        for (const question of given.questions) {
          const at = EPOCH + question * MILLISECONDS[unit];
          const { columns, positions } = await read(plan, store, at);
          for (const [row, { city, line }] of ENTITIES.entries()) {
            const mine = events.filter((_, index) => log[index]!.trip.city === city && log[index]!.trip.line === line);
            const offline = new EntityHistory(plan, mine).at(at, positions[plan.name]);
            for (const [index, column] of columns.entries()) {
              if (column.statuses[row] === Status.INVALID) continue;
              const served = { value: column.values[row], status: column.statuses[row], time: column.times[row] };
              const known = { value: offline.values[index], status: offline.statuses[index], time: offline.times[index] };
              if (!same(served, known)) throw new Error(`${column.name}: served ${show(served)}, known ${show(known)}`);
            }
          }
        }
      }),
      { numRuns: Math.ceil(RUNS / 10) },
    );
  }, 600_000);

  test('however the log is cut into batches, with warm or cold memory, the stored bytes are the same', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.array(fc.nat(160), { maxLength: 8 }), async (given, otherCuts) => {
        const plan = compileView(viewOf(given), entity, source(given.keyed, given.corrections));
        const events = decode(plan, logOf(given.trips, given.keyed), given.unit);
        const one = new MemoryOnlineStore();
        const two = new MemoryOnlineStore();
        await project(plan, one, events, given.cuts, given.cold);
        await project(plan, two, events, otherCuts, !given.cold);
        expect(await bytesOf(two)).toBe(await bytesOf(one));
      }),
      { numRuns: Math.ceil(RUNS / 10) },
    );
  }, 600_000);

  test('where corrections move events, the one behind the horizon may have come back, and then nobody says that it is there', async () => {
    const features = [{ name: 'n', aggregate: 'count' as const, window: '100ms' }];
    const definition = { name: 'moved', entity: 'route', source: 'trips', history: '100ms', span: '100ms', features };
    const plan = compileView(definition, entity, source(true, 'times'));
    const base = { city: '1', line: 23, beside: 0, written: 0, fare: 1, stops: 1, micros: 1n, driver: null, partition: 0 };
    const log = logOf(
      [
        { ...base, id: 1, time: 0 },
        { ...base, id: 2, time: 1000 },
        { ...base, id: 1, time: 950 },
      ],
      true,
    );
    const events = decode(plan, log, 'ms');
    const ask = async (heard: number, time: number): Promise<unknown[]> => {
      const store = new MemoryOnlineStore();
      const partition = log[0]!.partition;
      const updater = new OnlineUpdater({ plan, store, partition });
      await updater.apply(events.slice(0, heard), heard);
      const [column] = (await read(plan, store, EPOCH + time)).columns;
      const offline = new EntityHistory(plan, events.slice(0, heard)).at(EPOCH + time);
      return [column?.values[0], column?.statuses[0], offline.values[0], offline.statuses[0]];
    };
    expect(await ask(2, 940)).toEqual([0, Status.PRESENT, 0, Status.PRESENT]);
    expect(await ask(3, 940)).toEqual([null, Status.INVALID, null, Status.NOT_FOUND]);
    expect(await ask(3, 1000)).toEqual([1, Status.PRESENT, 1, Status.PRESENT]);
  });
});
