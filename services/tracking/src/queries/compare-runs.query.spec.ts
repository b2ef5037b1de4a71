import { describe, expect, test } from '@jest/globals';
import { bestRun, compareRuns, FEWEST_RUNS, paramImportances } from './compare-runs.query.js';
import type { RunView } from './tracking-view.js';

function view(index: number, params: Record<string, string>, metrics: Record<string, number>): RunView {
  const run = {
    ...{ runId: `r${index}`, experimentId: '1', name: `run ${index}`, userId: '', status: 'FINISHED' as const, artifactUri: '' },
    ...{
      startTime: index,
      endTime: null,
      deleted: false,
      params: new Map(Object.entries(params)),
      tags: new Map<string, string>(),
      datasets: [],
    },
  };
  return { run, isActive: true, metrics: Object.entries(metrics).map(([key, value]) => ({ key, value, step: 0, timestamp: 0 })) };
}

describe('compareRuns', () => {
  const runs = [
    view(0, { lr: '0.1', net: 'a', same: '1' }, { loss: 0.5, only: 1 }),
    view(1, { lr: '1e-2', net: 'b', same: '1' }, { loss: 0.25 }),
    view(2, { net: 'a', same: '1' }, { loss: NaN }),
  ];

  test('says what differs, who is lowest and highest, and where each run stands on each axis', () => {
    const { params, metrics, dimensions } = compareRuns(runs);
    expect(params).toEqual([
      { key: 'lr', differs: true, values: ['0.1', '1e-2', null] },
      { key: 'net', differs: true, values: ['a', 'b', 'a'] },
      { key: 'same', differs: false, values: ['1', '1', '1'] },
    ]);
    expect(metrics).toEqual([
      { key: 'loss', differs: true, values: [0.5, 0.25, NaN], lowest: 'r1', highest: 'r0' },
      { key: 'only', differs: true, values: [1, null, null], lowest: 'r0', highest: 'r0' },
    ]);
    expect(dimensions).toEqual([
      { of: 'param', key: 'lr', scale: 'number', min: 0.01, max: 0.1, positions: [0.1, 0.01, null] },
      { of: 'param', key: 'net', scale: 'category', categories: ['a', 'b'], positions: [0, 1, 0] },
      { of: 'metric', key: 'loss', scale: 'number', min: 0.25, max: 0.5, positions: [0.5, 0.25, null] },
      { of: 'metric', key: 'only', scale: 'number', min: 1, max: 1, positions: [1, null, null] },
    ]);
  });

  test('the best run is the one the goal says; NaN is never best', () => {
    expect(bestRun(runs, 'loss', 'minimize')).toEqual({ runId: 'r1', value: 0.25 });
    expect(bestRun(runs, 'loss', 'maximize')).toEqual({ runId: 'r0', value: 0.5 });
    expect(bestRun(runs, 'none', 'maximize')).toBeNull();
  });

  test('importance names the param that moved the metric, and leaves out names that no two runs share', () => {
    const many = Array.from({ length: 120 }, (_, index) => {
      const [lr, depth, net] = [10 ** -((index * 7) % 5), (index * 11) % 6, ['a', 'b', 'c'][(index * 5) % 3] as string];
      const loss = Math.log10(lr) ** 2 + (net === 'c' ? 2 : 0);
      return view(index, { lr: String(lr), depth: String(depth), net, note: `run number ${index}`, same: 'x' }, { loss });
    });
    const found = paramImportances(many, 'loss');
    if (found.kind !== 'found') throw new Error(found.reason);
    expect(found.params.map(({ key }) => key)).toEqual(['lr', 'net', 'depth']);
    expect(found.params[0]?.share).toBeGreaterThan(0.7);
    expect(found.params[2]?.share).toBeLessThan(0.05);
    expect(found.explained).toBeGreaterThan(0.8);
  });

  test('says why importance is not known', () => {
    expect(paramImportances(runs, 'loss')).toMatchObject({ kind: 'unknown', reason: expect.stringContaining(`${FEWEST_RUNS}`) });
    const alike = Array.from({ length: 20 }, (_, index) => view(index, { p: '1' }, { loss: index }));
    expect(paramImportances(alike, 'loss')).toMatchObject({ kind: 'unknown', reason: expect.stringContaining('no param differs') });
  });
});
