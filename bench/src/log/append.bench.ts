import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { open } from 'lmdb';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAlone, type BenchResult } from '../bench-result.js';

const VALUE = Buffer.alloc(200, 'x');
const HEADERS = { ce_id: '0199c5c2-7c1e-7b52-9d0f-0a6c3f6f2f11', ce_type: 'millrace.bench.Happened.v1' };
const TOPIC = 'bench';
const WRITERS = 512;
const TARGET = 50_000;

/** Durable appends to the embedded log: every writer waits for the fsync of its record before it appends the next. */
export async function run(): Promise<BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-append-'));
  try {
    const single = await appends(join(directory, 'single.mdb'), { writers: WRITERS, batch: 1, events: 500_000 });
    const read = await appends(join(directory, 'read.mdb'), { writers: WRITERS, batch: 1, events: 500_000, readers: 1 });
    const batched = await appends(join(directory, 'batched.mdb'), { writers: 8, batch: 500, events: 1_000_000 });
    const alone = await appends(join(directory, 'alone.mdb'), { writers: 1, batch: 1, events: 2_000 });
    const peer = await bareLmdb(join(directory, 'bare.mdb'), { writers: WRITERS, events: 200_000 });
    const wanted = { name: 'append', unit: 'events/s', target: `>= ${TARGET.toLocaleString('en-GB')}` };
    return [
      {
        ...wanted,
        metric: `durable, one record an append, ${WRITERS} writers`,
        value: single,
        peer: 'bare lmdb-js, a put a record',
        peerValue: peer,
        ratio: single / peer,
        pass: single >= TARGET,
      },
      { ...wanted, metric: `the same with a reader keeping up`, value: read, pass: read >= TARGET },
      { ...wanted, metric: 'durable, 500 records an append, 8 writers', value: batched, pass: batched >= TARGET },
      { name: 'append', unit: 'events/s', metric: 'durable, one writer that waits each time', value: alone, pass: true },
    ];
  } finally {
    await rm(directory, { recursive: true });
  }
}

interface Load {
  readonly writers: number;
  readonly batch: number;
  readonly events: number;
  readonly readers?: number;
}

async function appends(path: string, { writers, batch, events, readers = 0 }: Load): Promise<number> {
  const log = await LmdbEventLog.open({ path });
  await log.ensureTopic({ name: TOPIC, partitions: 4, retention: 'forever' });
  let read = 0;
  let everythingRead = (): void => undefined;
  const done = new Promise<void>((resolve) => (everythingRead = resolve));
  for (let reader = 0; reader < readers; reader++) {
    await log.subscribe({
      topic: TOPIC,
      from: () => 0,
      onBatch: async ({ records }) => {
        read += records.length;
        if (read >= events) everythingRead();
      },
    });
  }
  const seconds = await timed(writers, events / batch, (writer) => {
    const record = { topic: TOPIC, key: `run/${writer}`, value: VALUE, headers: HEADERS };
    return log.append(batch === 1 ? [record] : Array.from({ length: batch }, () => record));
  });
  if (readers > 0) await done;
  const ends = await log.end(TOPIC);
  await log.close();
  const written = ends.reduce((sum, end) => sum + end, 0);
  if (written < events) throw new Error(`${written} of ${events} events are in the log`);
  return written / seconds;
}

/** The same promise by the database alone: a durable put per record, grouped as lmdb-js groups them. */
async function bareLmdb(path: string, { writers, events }: { writers: number; events: number }): Promise<number> {
  const env = open<Buffer, number>({ path, encoding: 'binary', keyEncoding: 'ordered-binary', overlappingSync: false });
  let next = 0;
  const seconds = await timed(writers, events, () => env.put(next++, VALUE));
  await env.close();
  return next / seconds;
}

/** Writers who each do the next thing when the one before is done, until it was done often enough in all. */
async function timed(writers: number, times: number, step: (writer: number) => Promise<unknown>): Promise<number> {
  let left = times;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      while (left-- > 0) await step(writer);
    }),
  );
  return (performance.now() - started) / 1000;
}

await runAlone(import.meta.url, run);
