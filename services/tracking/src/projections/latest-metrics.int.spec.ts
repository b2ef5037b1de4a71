import { encodeFact, type Item, type ItemBatch, type LogRecord } from '@millrace/event-log';
import { LmdbStateStore } from '@millrace/state-store';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { WirePoint } from '../domain/metric-points/metric-points.js';
import { decodeMetricPoints, LATEST_METRICS_VERSION, LatestMetrics } from './latest-metrics.projection.js';
import type { LoggedPoints } from './logged-points.js';

const RUN = 'a'.repeat(32);
const TOPIC = 'millrace.tracking.metric-points';
const scheduler = { after: () => () => undefined };

function record(offset: number, data: unknown, type = 'millrace.tracking.MetricPointsLogged.v1'): LogRecord {
  const { key, value, headers = {} } = encodeFact(TOPIC, RUN, { id: String(offset), type, source: '/millrace/tracking', time: 1, data });
  return { topic: TOPIC, partition: 0, offset, key, value, headers, timestamp: 1 };
}

function batch(from: number, ...points: (readonly WirePoint[])[]): ItemBatch<LoggedPoints> {
  const items = points.map((some, index): Item<LoggedPoints> => {
    const one = record(from + index, { runId: RUN, experimentId: '1', points: some });
    const decoded = decodeMetricPoints(one);
    if (decoded.ok !== true) throw new Error(decoded.reason);
    return { record: one, value: decoded.value };
  });
  const nextOffset = from + points.length;
  return { topic: TOPIC, partition: 0, items, nextOffset, end: nextOffset };
}

const point = (key: string, value: WirePoint['value'], step = 0, timestamp = 0): WirePoint => ({ key, value, step, timestamp });

describe('LatestMetrics over LMDB', () => {
  let directory: TempDir;
  const open = () => LmdbStateStore.open({ path: join(directory.path, 'state.mdb'), version: LATEST_METRICS_VERSION });

  beforeEach(async () => {
    directory = await tempDir('latest-metrics');
  });
  afterEach(() => directory.remove());

  test('keeps the latest point of each metric, NaN and infinities too, and goes on where it stopped', async () => {
    const store = await open();
    const metrics = new LatestMetrics(store, TOPIC, scheduler);
    await metrics.fold(batch(0, [point('a', 1, 5), point('nan', 'NaN'), point('inf', '-Infinity')], [point('a', 9, 1)]));
    await metrics.fold(batch(2, [point('b', 2)]));
    const expected = [
      { key: 'a', value: 1, timestamp: 0, step: 5 },
      { key: 'b', value: 2, timestamp: 0, step: 0 },
      { key: 'inf', value: -Infinity, timestamp: 0, step: 0 },
      { key: 'nan', value: NaN, timestamp: 0, step: 0 },
    ];
    const sorted = (view: LatestMetrics) => view.of(RUN).sort((one, two) => (one.key < two.key ? -1 : 1));
    expect(sorted(metrics)).toEqual(expected);
    await metrics.close();
    const reopened = await open();
    const again = new LatestMetrics(reopened, TOPIC, scheduler);
    expect([again.next(0), again.next(1)]).toEqual([3, 0]);
    expect([again.folded(RUN).next, again.folded('none').next]).toEqual([3, 0]);
    expect(sorted(again)).toEqual(expected);
    await again.waitUntil([3], 1);
    await again.fold(batch(0, [point('a', 1, 5)]));
    expect(sorted(again)).toEqual(expected);
    await again.close();
  });

  test('a reader waits for what the log holds', async () => {
    const store = await open();
    const metrics = new LatestMetrics(store, TOPIC, scheduler);
    const waiting = metrics.waitUntil([1, 0], 1000).then(() => metrics.of(RUN));
    await metrics.fold(batch(0, [point('a', 1)]));
    expect(await waiting).toHaveLength(1);
    await metrics.close();
  });

  test.each([
    ['no run', record(0, { experimentId: '1', points: [] })],
    ['a value that is no number', record(0, { runId: RUN, experimentId: '1', points: [{ key: 'a', value: 'x', timestamp: 1, step: 1 }] })],
    ['a fractional step', record(0, { runId: RUN, experimentId: '1', points: [{ key: 'a', value: 1, timestamp: 1, step: 0.5 }] })],
    ['no object', record(0, null)],
    ['no JSON', { ...record(0, {}), value: Buffer.from('{') }],
  ])('refuses %s with a reason', (_, bad) => {
    expect(decodeMetricPoints(bad)).toEqual({ ok: false, reason: expect.any(String) });
  });

  test('skips another type of ours, and refuses one nobody knows', () => {
    const typed = (name: string) =>
      decodeMetricPoints(record(0, { runId: RUN, experimentId: '1', points: [] }, `millrace.tracking.${name}.v1`));
    expect(typed('RunCreated')).toMatchObject({ ok: 'skip' });
    expect(typed('Other')).toMatchObject({ ok: false });
  });
});
