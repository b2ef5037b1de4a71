import { describe, expect, test } from '@jest/globals';
import { noStatistics, ServingStatistics } from './serving-statistics.js';

const report = (rows: number, batchRows: number, computeMs: number) => ({
  ...{ name: 'delay', version: 1, rows, batchRows },
  ...{ inputMs: 1, queueMs: 2, computeMs, outputMs: 0.5 },
});

describe('statistics of serving', () => {
  test('the requests of one run make one run', () => {
    const statistics = new ServingStatistics();
    for (const rows of [1, 1, 1]) statistics.ran(report(rows, 3, 6), 1000);
    for (const rows of [2, 5]) statistics.ran(report(rows, 7, 6), 2000);
    statistics.ran(report(1, 1, 4), 1500);
    statistics.failed({ name: 'delay', version: 1, totalMs: 9 });
    const [counted] = statistics.of('delay', '1');
    expect(counted).toMatchObject({
      ...{ name: 'delay', version: '1', lastInference: 1500, inferences: 11, executions: 3 },
      ...{ success: { count: 6 }, fail: { count: 1, ms: 9 }, queue: { count: 6, ms: 12 }, computeInfer: { count: 6, ms: 34 } },
    });
    expect(counted?.batches.map(({ batchSize, computeInfer }) => [batchSize, computeInfer.count, Math.round(computeInfer.ms)])).toEqual([
      [1, 1, 4],
      [3, 1, 6],
      [7, 1, 6],
    ]);
  });

  test('a name’s versions are apart, and one nobody asked has zeros', () => {
    const statistics = new ServingStatistics();
    statistics.ran(report(1, 1, 1), 1);
    statistics.ran({ ...report(1, 1, 1), version: 2 }, 1);
    expect(statistics.of('delay').map(({ version }) => version)).toEqual(['1', '2']);
    expect(statistics.of('other')).toEqual([]);
    expect(noStatistics('other', '3')).toMatchObject({ inferences: 0, executions: 0, lastInference: 0, batches: [] });
  });

  test('as many versions and batch sizes as anyone can ask for take bounded room', () => {
    const statistics = new ServingStatistics();
    for (let version = 1; version <= 1500; version++) statistics.ran({ ...report(1, 1, 1), version }, 1);
    for (let size = 1; size <= 600; size++) statistics.ran({ ...report(size, size, 1), version: 1500 }, 1);
    expect(statistics.of()).toHaveLength(1000);
    const [last] = statistics.of('delay', '1500');
    expect([last?.batches.length, last?.executions]).toEqual([512, 601]);
  });
});
