import { migrate, offlineStoreMigrations, openOfflineStore, type OfflineStore } from '@millrace/offline-store';
import { tempDir, type TempDir } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { metricInterval, metricSeries, type SeriesRequest } from './metric-series.query.js';

const POINTS = 10_000;
const SPIKE = { step: 7_777, value: 1e9 };
const DIP = { step: 3_333, value: -1e9 };

describe('metricSeries on ClickHouse', () => {
  let directory: TempDir;
  let store: OfflineStore;

  beforeAll(async () => {
    directory = await tempDir('metric-series');
    store = await openOfflineStore({ path: directory.path, threads: 4 });
    await migrate(store, offlineStoreMigrations);
    await migrate(store, { name: 'tracking', directory: new URL('../migrations/', import.meta.url) });
    const row = (run_id: string, step: number, value: number) => ({
      ...{ _topic: 't', _partition: 0, _offset: step, _row: 0, experiment_id: '1', run_id, key: 'm' },
      ...{ step, timestamp: 1_000_000 - step, value: Number.isFinite(value) ? value : String(value) },
    });
    const value = (step: number) => [SPIKE, DIP].find((odd) => odd.step === step)?.value ?? Math.sin(step / 100);
    await store.insert(
      'millrace.metric_points',
      Array.from({ length: POINTS }, (_, step) => row('long', step, value(step))),
      'long',
    );
    const odd = [NaN, 0.1, Infinity, -Infinity, NaN];
    await store.insert(
      'millrace.metric_points',
      odd.map((one, step) => row('odd', step, one)),
      'odd',
    );
  }, 60_000);

  afterAll(async () => {
    await store.close();
    await directory.remove();
  });

  const series = (more: Partial<SeriesRequest> = {}) =>
    metricSeries(store, { experimentId: '1', runId: 'long', key: 'm', axis: 'step', buckets: 50, ...more });

  test('equal parts of the axis keep every spike where it was', async () => {
    const { points, buckets } = await series();
    expect([points, buckets.length]).toEqual([POINTS, 50]);
    expect(buckets.every(({ count }) => count === POINTS / 50)).toBe(true);
    expect(buckets[0]).toMatchObject({ from: 0, to: 199, last: { step: 199, timestamp: 999_801, value: Math.sin(1.99) } });
    expect(buckets.map(({ max }) => max).filter((max) => max?.value === SPIKE.value)).toEqual([
      { ...SPIKE, timestamp: 1_000_000 - SPIKE.step },
    ]);
    expect(buckets.map(({ min }) => min).filter((min) => min?.value === DIP.value)).toEqual([{ ...DIP, timestamp: 1_000_000 - DIP.step }]);
  });

  test('a part of the axis, by time too', async () => {
    const { points, buckets } = await series({ axis: 'timestamp', from: 999_000, to: 999_999, buckets: 10 });
    expect([points, buckets.length, buckets[0]?.from, buckets.at(-1)?.to]).toEqual([1000, 10, 999_000, 999_999]);
    expect((await series({ from: 20_000 })).buckets).toEqual([]);
  });

  test('more buckets than points give each point its own; NaN is neither least nor greatest', async () => {
    const { buckets } = await series({ runId: 'odd', buckets: 500 });
    expect(buckets.map(({ min, max, last }) => [min?.value, max?.value, last.value])).toEqual([
      [undefined, undefined, NaN],
      [0.1, 0.1, 0.1],
      [Infinity, Infinity, Infinity],
      [-Infinity, -Infinity, -Infinity],
      [undefined, undefined, NaN],
    ]);
    const [whole] = (await series({ runId: 'odd', buckets: 1 })).buckets;
    expect([whole?.min?.value, whole?.max?.value, whole?.last.value]).toEqual([-Infinity, Infinity, NaN]);
  });

  test('an interval of several runs: short ones whole, long ones thinned to points that were logged', async () => {
    const runs = ['odd', 'long', 'none'].map((runId) => ({ experimentId: '1', runId }));
    const points = await metricInterval(store, { runs, key: 'm', limit: 100 });
    const odd = points.filter(({ runId }) => runId === 'odd');
    const long = points.filter(({ runId }) => runId === 'long');
    expect(points.slice(0, 5)).toEqual(odd);
    expect(odd.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
    expect(long.length).toBeGreaterThan(100);
    expect(long.length).toBeLessThanOrEqual(160);
    expect([long[0]?.step, long.at(-1)?.step]).toEqual([0, POINTS - 1]);
    expect(long.filter(({ value }) => Math.abs(value) === 1e9).map(({ step }) => step)).toEqual([DIP.step, SPIKE.step]);
    expect(long.map(({ step }) => step)).toEqual(long.map(({ step }) => step).sort((a, b) => a - b));
    expect(await metricInterval(store, { runs: [], key: 'm', limit: 100 })).toEqual([]);
  });
});
