import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RunningService } from '@millrace/service';
import { waitFor, type RunningProcess } from '@millrace/testing';
import { PublishedModels } from './testing/published-models.js';
import { Replicas } from './testing/replicas.js';
import { rowModel } from './testing/row-model.js';
import { countedOutputs, StreamClient, writtenOutputs } from './testing/stream-client.js';

const PARTITIONS = 4;

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: numbers}
spec: {topic: numbers, eventTime: at, schema: {at: DateTime64(3), index: Int64}}
---
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: row}
spec: {model: models:/row/1}
---
apiVersion: millrace.dev/v1
kind: StreamingInference
metadata: {name: numbers}
spec: {deployment: row, source: numbers, output: {topic: numbers.out, columns: [index]}, maxBatchRecords: 32}
`;

const replicas = new Replicas();
let here: RunningService;
let streams: StreamClient;

beforeAll(async () => {
  await replicas.open('streams-replicas');
  here = await replicas.here('here');
  streams = new StreamClient(here.url);
  await new PublishedModels(here.host).register('row', rowModel(1_000));
}, 600_000);
afterAll(() => replicas.close(), 60_000);

async function startOther(): Promise<{ process: RunningProcess; streams: StreamClient }> {
  const { process: started, url } = await replicas.apart('other');
  return { process: started, streams: new StreamClient(url) };
}

test('two replicas share the partitions, and each event has one output that counts, whoever comes, dies and leaves', async () => {
  const { log } = here.host;
  await log.ensureTopic({ name: 'numbers', partitions: PARTITIONS, retention: 'forever' });
  await streams.apply(RESOURCES);
  const sent = Array.from({ length: PARTITIONS }, () => 0);
  let isOver = false;
  const produce = async (): Promise<void> => {
    while (!isOver) {
      const records = sent.flatMap((next, partition) =>
        Array.from({ length: 4 }, (_, n) => ({
          ...{ topic: 'numbers', partition, key: `k${partition}` },
          value: Buffer.from(JSON.stringify({ at: 978_343_200_000, index: (next + n) % 1_000 })),
        })),
      );
      await log.append(records);
      for (const partition of sent.keys()) sent[partition] = (sent[partition] as number) + 4;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const producing = produce();
  replicas.beforeClose(async () => {
    isOver = true;
    await producing;
  });
  const ownedBy = async (client: StreamClient): Promise<number[]> =>
    (await client.get('numbers')).partitions.filter(({ isHere }) => isHere).map(({ partition }) => partition);
  const moves = async (): Promise<void> => {
    const goals = [...sent];
    await waitFor(async () => (await streams.get('numbers')).partitions.every(({ next, partition }) => next >= (goals[partition] ?? 0)), {
      timeoutMs: 90_000,
      what: 'every partition to get on',
    });
  };
  await waitFor(async () => (await ownedBy(streams)).length === PARTITIONS, { timeoutMs: 60_000 });
  await moves();

  // It comes, and takes its share.
  const first = await startOther();
  await waitFor(async () => (await ownedBy(first.streams)).length === 2 && (await ownedBy(streams)).length === 2, { timeoutMs: 60_000 });
  await moves();
  // What the other one has is told here too, from the log.
  const told = await streams.get('numbers');
  expect(told.partitions.filter(({ isHere, lagSeconds }) => !isHere && lagSeconds === null)).toHaveLength(2);
  expect(await first.streams.metrics()).toMatch(/^millrace_stream_lag_records\{stream="numbers",partition="\d",/m);

  // It dies, and what it had is taken up.
  first.process.kill('SIGKILL');
  await first.process.exited;
  await waitFor(async () => (await ownedBy(streams)).length === PARTITIONS, { timeoutMs: 90_000, what: 'its partitions to be taken up' });
  await moves();

  // Another comes, and leaves as it should.
  const second = await startOther();
  await waitFor(async () => (await ownedBy(second.streams)).length === 2, { timeoutMs: 60_000 });
  await moves();
  await second.process.stop();
  await moves();

  isOver = true;
  await producing;
  await moves();
  const counted = await countedOutputs(log, 'numbers.out');
  const expected = sent.flatMap((count, partition) =>
    Array.from({ length: count }, (_, offset) => [
      partition,
      offset,
      `k${partition}`,
      (offset % 1_000) * 10,
      `numbers:1:numbers/${partition}@${offset}`,
    ]),
  );
  expect(
    counted.map(({ record, place, data }) => [record.partition, place.offset, record.key, data.outputs['value'], record.headers['ce_id']]),
  ).toEqual(expected);
  // Whatever is there beside them has the id of one that is there before.
  const written = await writtenOutputs(log, 'numbers.out');
  expect(new Set(written.map(({ record }) => record.headers['ce_id'])).size).toBe(expected.length);
  const rows = await waitFor(
    async () => {
      const [found] = await here.host.offline.query<{ rows: number; ids: number }>(
        `SELECT toInt32(count()) AS rows, toInt32(uniqExact(output_id)) AS ids FROM millrace.stream_outputs WHERE stream = 'numbers'`,
      );
      return (found?.rows ?? 0) >= expected.length && found;
    },
    { timeoutMs: 60_000 },
  );
  expect(rows).toEqual({ rows: expected.length, ids: expected.length });
}, 420_000);

test('a process that lost a partition without knowing it does no harm', async () => {
  const { log } = here.host;
  await log.ensureTopic({ name: 'both', partitions: 2, retention: 'forever' });
  await streams.apply(RESOURCES.replaceAll('numbers', 'both'));
  const put = (from: number, to: number) =>
    log.append(
      [0, 1].flatMap((partition) =>
        Array.from({ length: to - from }, (_, n) => ({
          ...{ topic: 'both', partition, key: null },
          value: Buffer.from(JSON.stringify({ at: 978_343_200_000, index: (from + n) % 1_000 })),
        })),
      ),
    );
  const hasAll = (count: number) =>
    waitFor(async () => (await countedOutputs(log, 'both.out')).length === 2 * count, { timeoutMs: 90_000, what: `${count} outputs each` });
  const other = await startOther();
  let [own] = [undefined] as (number | undefined)[];
  await waitFor(
    async () => {
      const mine = (await streams.get('both')).partitions.find(({ isHere }) => isHere)?.partition;
      own = (await other.streams.get('both')).partitions.find(({ isHere }) => isHere)?.partition;
      return own !== undefined && mine === 1 - own;
    },
    { timeoutMs: 60_000, what: 'each to have one' },
  );
  await put(0, 4_000);
  await waitFor(async () => ((await streams.get('both')).partitions[own as number]?.next ?? 0) > 0, { timeoutMs: 60_000, intervalMs: 2 });
  // Stopped in the middle of a batch, for longer than its group waits for it; then it goes on as if nothing had happened.
  other.process.kill('SIGSTOP');
  await hasAll(4_000);
  other.process.kill('SIGCONT');
  await put(4_000, 5_000);
  await hasAll(5_000);
  const counted = await countedOutputs(log, 'both.out');
  const each = Array.from({ length: 5_000 }, (_, offset) => offset);
  expect(counted.map(({ record, place, data }) => [record.partition, place.offset, data.outputs['value']])).toEqual(
    [0, 1].flatMap((partition) => each.map((offset) => [partition, offset, (offset % 1_000) * 10])),
  );
}, 300_000);
