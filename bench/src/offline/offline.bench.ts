import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeFact, encodeFact, type NewRecord } from '@millrace/event-log';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { timerScheduler } from '@millrace/event-log/local';
import {
  openOfflineStore,
  TableProjection,
  type OfflineStore,
  type ProjectedRows,
  type TableProjectionOptions,
} from '@millrace/offline-store';
import { runAlone, type BenchResult } from '../bench-result.js';

const FACTS = 1_000_000;
const PARTITIONS = 4;
const TARGET = 150_000;
const TOPIC = 'bench.metric-points';

interface MetricPoint {
  readonly run: string;
  readonly key: string;
  readonly value: number;
  readonly step: number;
  readonly time: number;
}

/** Facts from the embedded log into chdb through {@link TableProjection}: rows per second from the first read to the last row stored. */
export async function run(): Promise<BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-offline-'));
  const log = await LmdbEventLog.open({ path: join(directory, 'log.mdb') });
  const store = await openOfflineStore({ path: join(directory, 'chdb') });
  try {
    await log.ensureTopic({ name: TOPIC, partitions: PARTITIONS, retention: 'forever' });
    await appendFacts(log);
    const decoded = await project(store, log, 'decoded', {
      decode: (record) => decodeFact(record),
      toRows: ({ value }) => value.data as MetricPoint,
    });
    const ready = await project(store, log, 'ready', {
      decode: (record) => ({ ok: true, value: record.value }),
      toRows: ({ value }) => value as ProjectedRows,
    });
    return [rate('rows/s, decoded CloudEvents', decoded), rate('rows/s, ready JSON rows', ready), await readYourWrites(store, log)];
  } finally {
    await log.close();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function appendFacts(log: LmdbEventLog): Promise<void> {
  for (let from = 0; from < FACTS; from += 5000) {
    const facts: NewRecord[] = [];
    for (let n = from; n < from + 5000; n++) facts.push(fact(n));
    await log.append(facts);
  }
}

function fact(n: number): NewRecord {
  const data: MetricPoint = { run: `run-${n % 500}`, key: `metric-${n % 7}`, value: Math.sin(n), step: n, time: 1_000_000_000_000 + n };
  const event = { id: `point-${n}`, type: 'millrace.tracking.MetricPoint.v1', source: '/bench', time: data.time, data };
  return { ...encodeFact(TOPIC, data.run, event), partition: n % PARTITIONS };
}

async function project<T>(
  store: OfflineStore,
  log: LmdbEventLog,
  name: string,
  how: Pick<TableProjectionOptions<T>, 'decode' | 'toRows'>,
): Promise<number> {
  const table = `millrace.points_${name}`;
  await store.command(
    `CREATE TABLE ${table} (_topic LowCardinality(String), _partition UInt32, _offset UInt64,
       run LowCardinality(String), key LowCardinality(String), value Float64, step UInt64, time DateTime64(3))
     ENGINE = ReplacingMergeTree ORDER BY (run, key, step, _partition, _offset) SETTINGS non_replicated_deduplication_window = 1000`,
  );
  const projection = new TableProjection({
    ...how,
    store,
    log,
    name: `bench.${name}`,
    topic: TOPIC,
    table,
    maxBatchRecords: 5000,
    maxBatchBytes: 4 * 1024 * 1024,
    scheduler: timerScheduler,
    now: () => Date.now(),
  });
  const started = performance.now();
  await projection.start();
  await projection.barrier(300_000);
  const seconds = (performance.now() - started) / 1000;
  await projection.stop();
  const [counted] = await store.query<{ rows: string }>(`SELECT count() AS rows FROM ${table}`);
  if (Number(counted?.rows) !== FACTS) throw new Error(`${table} has ${counted?.rows} rows, not ${FACTS}`);
  return FACTS / seconds;
}

/** How long a write takes to be readable when somebody waits for it: append, wait for its position in the table. */
async function readYourWrites(store: OfflineStore, log: LmdbEventLog): Promise<BenchResult> {
  await log.ensureTopic({ name: 'bench.waits', partitions: 1, retention: 'forever' });
  await store.command(
    `CREATE TABLE millrace.waits (_topic LowCardinality(String), _partition UInt32, _offset UInt64, n UInt64)
     ENGINE = ReplacingMergeTree ORDER BY (_partition, _offset) SETTINGS non_replicated_deduplication_window = 1000`,
  );
  const projection = new TableProjection<object>({
    store,
    log,
    name: 'bench.waits',
    topic: 'bench.waits',
    table: 'millrace.waits',
    decode: (record) => ({ ok: true, value: record.value }),
    toRows: ({ value }) => value,
    scheduler: timerScheduler,
    now: () => Date.now(),
  });
  await projection.start();
  const times: number[] = [];
  for (let n = 0; n < 300; n++) {
    const started = performance.now();
    const [position] = await log.append([{ topic: 'bench.waits', key: null, value: Buffer.from(`{"n":${n}}`) }]);
    if (position) await projection.waitFor(position);
    times.push(performance.now() - started);
  }
  await projection.stop();
  times.sort((a, b) => a - b);
  const median = times[150] as number;
  return { name: 'offline', metric: 'append until readable in chdb, p50', value: median, unit: 'ms', target: '<= 10', pass: median <= 10 };
}

function rate(metric: string, value: number): BenchResult {
  return {
    name: 'offline',
    metric: `facts from the log into chdb, ${metric}`,
    value,
    unit: 'rows/s',
    target: `>= ${TARGET.toLocaleString('en-GB')}`,
    pass: value >= TARGET,
  };
}

await runAlone(import.meta.url, run);
