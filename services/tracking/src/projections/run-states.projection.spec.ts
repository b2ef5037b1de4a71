import { encodeDecision, encodeFact, type Item, type LogRecord } from '@millrace/event-log';
import { describe, expect, test } from '@jest/globals';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';
import { run, type RunState } from '../domain/run/run.decider.js';
import { Linger } from './linger.js';
import { RunStatesProjection, type RunStatesSource } from './run-states.projection.js';

const DECISIONS = 'millrace.tracking.decisions';
const POINTS = 'millrace.tracking.metric-points';

function decision(partition: number, offset: number, subject: string, sequence: number): LogRecord {
  const base = { id: `${subject}:${sequence}`, version: 1, subject, sequence, commandId: 'c', actor: 'a', time: 1 };
  const { key, value, headers = {} } = encodeDecision(DECISIONS, 'tracking', { ...base, type: 'RunDeleted', data: {} });
  return { topic: DECISIONS, partition, offset, key, value, headers, timestamp: 1 };
}

function points(partition: number, offset: number, runId: string): LogRecord {
  const data = { runId, experimentId: '1', points: [] };
  const type = 'millrace.tracking.MetricPointsLogged.v1';
  const { key, value, headers = {} } = encodeFact(POINTS, runId, { id: String(offset), type, source: '/millrace/tracking', time: 1, data });
  return { topic: POINTS, partition, offset, key, value, headers, timestamp: 1 };
}

function itemsOf(source: RunStatesSource, records: readonly LogRecord[]): Item<string>[] {
  return records.flatMap((record) => {
    const decoded = source.decode(record);
    return decoded.ok === true ? [{ record, value: decoded.value }] : [];
  });
}

const created: RunState = run.evolve(
  run.initial(),
  {
    type: 'RunCreated',
    data: { runId: 'r', experimentId: '1', name: 'n', userId: 'u', startTime: 1, artifactUri: 'a', tags: { 'mlflow.user': 'u' } },
  },
  { subject: 'run/r', sequence: 1, time: 1, actor: 'a' },
);
const METRICS: MetricPoint[] = [
  ['loss', 1],
  ['a/b.c', 0.5],
  ['nan', NaN],
  ['low', -Infinity],
  ['large', 1e300],
].map(([key, value]) => ({ key: key as string, value: value as number, timestamp: 0, step: 0 }));

describe('RunStatesProjection', () => {
  let asked = 0;
  const pauses: (() => void)[] = [];
  const scheduler = { after: (_: number, done: () => void) => (pauses.push(done), () => undefined) };
  const linger = new Linger(scheduler, 1);
  const projection = new RunStatesProjection(
    {
      upToDate: async () => void asked++,
      run: () => ({ sequence: 7, state: created }),
      metrics: () => ({ next: 5, points: METRICS }),
    },
    linger,
  );

  test('a batch makes one row for each run it changed, at the run’s last record, one mark, at its own last, and none of anything else', async () => {
    const records = [
      decision(0, 1, 'run/a', 1),
      decision(0, 2, 'experiments/catalog', 1),
      decision(0, 3, 'run/b', 1),
      decision(0, 4, 'run/a', 2),
    ];
    const { decisions } = projection;
    const items = itemsOf(decisions, records);
    const before = asked;
    await decisions.prepare({ topic: DECISIONS, partition: 0, items, nextOffset: 5, end: 9 });
    expect(asked).toBe(before + 1);
    expect(items.map((one) => [one.record.offset, decisions.toRows(one)?.length])).toEqual([
      [1, undefined],
      [3, 1],
      [4, 2],
    ]);
    const rows = decisions.toRows(items[2] as Item<string>)?.map(({ fields }) => JSON.parse(`{${fields}}`) as object);
    expect(rows).toMatchObject([
      { version: 12, run_id: 'r', deleted: false, params: {}, tags: { 'mlflow%2Euser': 'u' } },
      { version: 5, experiment_id: '', run_id: `${DECISIONS}/0` },
    ]);
  });

  test('metric points make the same row; each metric is written with one type', async () => {
    const { metricPoints } = projection;
    const items = itemsOf(metricPoints, [points(1, 6, 'a'.repeat(32))]);
    await metricPoints.prepare({ topic: POINTS, partition: 1, items, nextOffset: 7, end: 9 });
    const [row] = metricPoints.toRows(items[0] as (typeof items)[0]) ?? [];
    expect(row?.fields).toContain('"metrics":{"loss":1.0,"a/b%2Ec":0.5,"nan":"NaN","low":"-Infinity","large":1e+300}');
  });

  test('at the end of the log it waits for more, until somebody waits for it', async () => {
    const { decisions } = projection;
    const batch = { topic: DECISIONS, partition: 2, items: itemsOf(decisions, [decision(2, 1, 'run/a', 1)]), nextOffset: 2, end: 2 };
    let done = false;
    const prepared = decisions.prepare(batch).then(() => (done = true));
    await Promise.resolve();
    expect(done).toBe(false);
    await linger.hurry(() => prepared);
    await linger.hurry(() => decisions.prepare(batch));
    const gathering = decisions.prepare(batch);
    pauses.at(-1)?.();
    await gathering;
  });

  test('what one source has written the other only marks, until the run changes; its own row a source writes again', async () => {
    const { decisions, metricPoints } = projection;
    const run = 'c'.repeat(32);
    const rowsOf = async (source: RunStatesSource, record: LogRecord): Promise<number | undefined> => {
      const items = itemsOf(source, [record]);
      await source.prepare({
        topic: record.topic,
        partition: record.partition,
        items,
        nextOffset: record.offset + 1,
        end: record.offset + 2,
      });
      return source.toRows(items[0] as Item<string>)?.length;
    };
    const [decided, logged] = [decision(3, 1, `run/${run}`, 1), points(3, 1, run)];
    expect([await rowsOf(decisions, decided), await rowsOf(decisions, decided), await rowsOf(metricPoints, logged)]).toEqual([2, 2, 1]);
    projection.changed(run);
    expect([await rowsOf(metricPoints, logged), await rowsOf(decisions, decided), await rowsOf(metricPoints, logged)]).toEqual([2, 1, 2]);
  });

  test('asks the folds about the run of any record, also one that they could not read, and puts nothing aside', () => {
    const bad = { ...decision(0, 1, 'run/a', 1), value: Buffer.from('{') };
    expect(projection.decisions.decode(bad)).toEqual({ ok: true, value: 'a' });
    expect(projection.decisions.decode({ ...bad, key: null })).toMatchObject({ ok: 'skip' });
    expect(projection.metricPoints.decode({ ...points(1, 6, 'b'), value: Buffer.from('{') })).toEqual({ ok: true, value: 'b' });
  });
});
