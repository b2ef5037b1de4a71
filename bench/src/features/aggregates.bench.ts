import {
  compileFeatureService,
  compileView,
  OnlineReader,
  OnlineUpdater,
  readSourceEvent,
  type FeatureDefinition,
  type SourceEvent,
  type ViewPlan,
} from '@millrace/feature-engine';
import { MemoryOnlineStore } from '@millrace/online-store';
import { runAlone, type BenchResult } from '../bench-result.js';

const DAY_MS = 86_400_000;
const WINDOW = '30d';
const START = Date.UTC(2001, 0, 1);
const END = START + 30 * DAY_MS;
/** Events of the entity in the window. */
const SIZES = [1_000, 100_000];
/** A figure is the best of so many tries: what else the machine does only adds. */
const TRIES = 5;

const window = { window: WINDOW } as const;
const ASKED: readonly Omit<FeatureDefinition, 'name'>[] = [
  { aggregate: 'mean', column: 'fare', ...window },
  { aggregate: 'stddev_samp', column: 'fare', ...window },
  { aggregate: 'quantile', quantile: 0.95, column: 'fare', ...window },
  { aggregate: 'count_distinct', column: 'fare', ...window },
  { aggregate: 'count_distinct', column: 'shop', ...window },
  { aggregate: 'top_k', k: 3, column: 'shop', ...window },
  { aggregate: 'mean', column: 'fare', filter: "fare > 10 and shop <> 'shop-7'", ...window },
  { aggregate: 'count', windowKind: 'session', gap: '1d', ...window },
  { aggregate: 'mean', column: 'fare', windowKind: 'lifetime' },
];

/** Bytes depend on the columns alone: a number, a text, both. */
const BYTES_OF = new Set([ASKED[0], ASKED[4], ASKED[6]]);

/**
 * What an aggregate costs: the time of one read of one feature of one entity, from stored bytes to value, by the events in the window, and the
 * bytes that its view keeps of each event. There is no peer: it tells a user what a definition will cost.
 */
export async function run(): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const asked of ASKED) {
    for (const size of SIZES) results.push(...(await cost(asked, size, size === SIZES.at(-1) && BYTES_OF.has(asked))));
  }
  return results;
}

async function cost(asked: Omit<FeatureDefinition, 'name'>, size: number, withBytes: boolean): Promise<BenchResult[]> {
  const plan = compileView(
    { name: 'payments', entity: 'card', source: 'payments', features: [{ name: 'value', ...asked }] },
    { name: 'card', joinKeys: { card: 'Int32' } },
    {
      name: 'payments',
      topic: 'payments',
      eventTime: 'at',
      eventId: 'id',
      key: ['card'],
      schema: { id: 'String', at: 'DateTime64(3)', card: 'Int32', fare: 'Float64', shop: 'String' },
    },
  );
  const store = new MemoryOnlineStore();
  const updater = new OnlineUpdater({ plan, store, partition: 0 });
  await updater.load();
  await updater.apply(
    Array.from({ length: size }, (_, index) => payment(plan, index, size)),
    size,
  );
  const reader = new OnlineReader(store, () => 1);
  const service = compileFeatureService({ name: 'asked', features: [plan.name] }, new Map([[plan.name, plan]]));
  const reads = Math.max(5, Math.min(500, Math.round(1_000_000 / size)));
  let best = Infinity;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const begun = performance.now();
    for (let read = 0; read < reads; read++) await reader.readVectors(service, [{ card: 1 }], END);
    best = Math.min(best, (performance.now() - begun) / reads);
  }
  const name = 'aggregates';
  const what = describe(asked);
  const figures: BenchResult[] = [
    {
      name,
      metric: `${what}: one read, ${size.toLocaleString('en-GB')} events in the window`,
      value: best * 1_000,
      unit: 'us',
      pass: true,
    },
  ];
  if (withBytes) {
    let bytes = 0;
    for await (const [key, value] of store.scan(Buffer.alloc(0))) bytes += key.length + value.length;
    figures.push({ name, metric: `${what}: kept online`, value: bytes / size, unit: 'bytes/event', pass: true });
  }
  return figures;
}

function payment(plan: ViewPlan, index: number, size: number): SourceEvent {
  const at = START + Math.floor((index / size) * 30 * DAY_MS);
  const json = { id: `payment-${index}`, at, card: 1, fare: ((index * 7_919) % 100_003) / 100, shop: `shop-${(index * 31) % 3_001}` };
  const decoded = readSourceEvent(plan.source, json, 0, index);
  if (!decoded.ok) throw new Error(decoded.reason);
  return decoded.value;
}

function describe({ aggregate, column, filter, windowKind }: Omit<FeatureDefinition, 'name'>): string {
  const of = column === undefined ? '' : ` of a ${column === 'shop' ? 'text' : 'number'}`;
  return `${aggregate}${of}${filter === undefined ? '' : ' with a filter'}${windowKind === undefined ? '' : `, ${windowKind}`}`;
}

await runAlone(import.meta.url, run);
