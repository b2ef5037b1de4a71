import { describe, expect, test } from '@jest/globals';
import type { Run } from '../../domain/run/run.decider.js';
import type { RunSearch } from '../search-runs.query.js';
import { bitsOf, fromBits, textTest } from './compare.js';
import { RunIndex } from './run-index.js';
import { TextColumn } from './text-column.js';

function run(index: number, more: Partial<Run> = {}): Run {
  return {
    ...{ runId: `r${String(index).padStart(6, '0')}`, experimentId: '1', name: `run ${index}`, userId: 'u', status: 'RUNNING' },
    ...{ startTime: index, endTime: null, artifactUri: '', deleted: false, datasets: [] },
    ...{ params: new Map([['p', String(index % 3)]]), tags: new Map([['unique', `tag ${index}`]]), ...more },
  };
}

const everything: RunSearch = { allIn: ['1'], activeIn: [], deletedIn: [], criteria: [], orders: [], limit: 1_000_000 };

function indexOf(count: number, maxBytes?: number) {
  const runs = new Map(Array.from({ length: count }, (_, index) => [run(index).runId, run(index)]));
  const values = new Map<string, number>();
  const index = new RunIndex({
    run: (id) => runs.get(id),
    metrics: (id) => (values.has(id) ? [{ key: 'm', value: values.get(id) as number, step: 0, timestamp: 0 }] : []),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  async function* stored() {
    for (const one of runs.values()) yield { run: one, metrics: [] };
  }
  return { runs, values, index, load: () => index.load(stored(), () => Promise.resolve()) };
}

describe('RunIndex', () => {
  test('sees what it is told has changed, and pages through many runs in order', async () => {
    const { runs, values, index, load } = indexOf(10_000);
    expect(index.isReady).toBe(false);
    await load();
    expect(index.isReady).toBe(true);
    for (const id of runs.keys()) values.set(id, Number(id.slice(1)) % 97);
    for (const id of runs.keys()) index.changed(id);
    const search: RunSearch = { ...everything, orders: [{ by: 'metric', key: 'm', ascending: false }], limit: 999 };
    const pages: string[] = [];
    for (let after: readonly string[] | undefined; ;) {
      const found = index.search({ ...search, after });
      const page = found.slice(0, search.limit);
      pages.push(...page.map(({ id }) => id));
      after = page.at(-1)?.cursor;
      if (found.length <= search.limit) break;
    }
    const expected = [...runs.values()].sort(
      (a, b) => (values.get(b.runId) as number) - (values.get(a.runId) as number) || b.startTime - a.startTime,
    );
    expect(pages).toEqual(expected.map(({ runId }) => runId));
  });

  test('a tag that goes is gone, one that changes in one run changes in that run alone', async () => {
    const { runs, index, load } = indexOf(9_000);
    await load();
    const tagged = (value: string) => index.search({ ...everything, criteria: [{ on: 'tag', key: 'unique', operator: '=', value }] });
    expect(tagged('tag 5')).toHaveLength(1);
    runs.set('r000005', run(5, { tags: new Map([['unique', 'tag 6']]) }));
    index.changed('r000005');
    expect(tagged('tag 6').map(({ id }) => id)).toEqual(['r000006', 'r000005']);
    runs.set('r000005', run(5, { tags: new Map() }));
    index.changed('r000005');
    expect(tagged('tag 6').map(({ id }) => id)).toEqual(['r000006']);
    expect(tagged('tag 5')).toEqual([]);
  });

  test('gives up rather than outgrow its bound', async () => {
    const { index, load } = indexOf(25_000, 1_000_000);
    await load();
    index.changed('r000001');
    expect([index.isReady, index.bytes]).toEqual([false, 0]);
  });

  test('texts that few rows share, and doubles, come back as they were', () => {
    const column = new TextColumn();
    for (let row = 0; row < 20_000; row += 2) column.set(row, `text ${row < 100 ? 'same' : row}`);
    expect([column.get(0), column.get(98), column.get(200), column.get(201)]).toEqual(['text same', 'text same', 'text 200', undefined]);
    column.set(0, 'other');
    expect([column.get(0), column.get(2)]).toEqual(['other', 'text same']);
    for (const value of [0, -1.5, 1 / 3, 5e-324, Infinity, -Infinity]) expect(fromBits(bitsOf(value))).toBe(value);
  });

  test('LIKE takes signs of regular expressions by their word', () => {
    const like = textTest('LIKE', 'a.b_%\\%');
    expect(['a.bc%', 'a.bcd%', 'axbc%', 'a.b%', 'a.bcx'].map(like)).toEqual([true, true, false, false, false]);
    expect(textTest('ILIKE', 'A-B')('a-b')).toBe(true);
  });
});
