import { describe, expect, test } from '@jest/globals';
import { Fields } from '@millrace/mlflow-protocol';
import { foldRecord } from '../../../domain/evaluation-dataset/dataset-records.js';
import { inParts, tagsOf, toldRecordsOf } from './told-records.js';

const told = (records: unknown) => toldRecordsOf(new Fields({ records: JSON.stringify(records) }), 'd-1');

describe('what is told of records', () => {
  test('the same inputs are the same record, in any order of their keys', () => {
    const [a, b, c] = told([{ inputs: { x: 1, y: { b: 2, a: 3 } } }, { inputs: { y: { a: 3, b: 2 }, x: 1 } }, { inputs: { x: 2 } }]);
    expect(a?.recordId).toMatch(/^dr-[0-9a-f]{32}$/);
    expect(b?.recordId).toBe(a?.recordId);
    expect(c?.recordId).not.toBe(a?.recordId);
    const [elsewhere] = toldRecordsOf(new Fields({ records: JSON.stringify([{ inputs: { x: 2 } }]) }), 'd-2');
    expect(elsewhere?.recordId).not.toBe(c?.recordId);
  });

  test.each([
    ['no list', '{}', /list of records/],
    ['no JSON', '[', /not JSON/],
    ['a record that is text', '["x"]', /records\[0\].*is an object/],
    ['expectations that are a list', '[{}, {"inputs": {}, "expectations": []}]', /records\[1\]\.expectations/],
  ])('%s is refused', (_what, records, message) => {
    expect(() => toldRecordsOf(new Fields({ records }), 'd-1')).toThrow(message);
  });

  test('many go in parts, in order', () => {
    const records = told(Array.from({ length: 30 }, (_, index) => ({ inputs: { index, text: 'x'.repeat(100_000) } })));
    const parts = inParts(records);
    expect(parts.length).toBeGreaterThan(5);
    expect(parts.flat()).toEqual(records);
    expect(Math.max(...parts.map((part) => JSON.stringify(part).length))).toBeLessThan(600_000);
    expect(inParts([])).toEqual([]);
  });

  test('tags are text', () => {
    expect(tagsOf(new Fields({ tags: '{"a": "b", "n": 1}' }))).toEqual({ a: 'b', n: '1' });
    expect(tagsOf(new Fields({}))).toEqual({});
    expect(() => tagsOf(new Fields({ tags: '[]' }))).toThrow(/JSON text of an object/);
  });
});

describe('what the tellings say together', () => {
  test('entries are added, outputs replaced, the first source stays', () => {
    const [first, second] = told([
      { inputs: { q: 1 }, outputs: 'a', expectations: { x: 1, y: 1 }, tags: { t: '1' }, source: { source_type: 'HUMAN' } },
      { inputs: { q: 1 }, outputs: { b: 2 }, expectations: { y: 2 }, source: { source_type: 'CODE' } },
    ]);
    const record = foldRecord('d-1', [
      { ...first!, at: 1, by: 'ann' },
      { ...second!, at: 2, by: 'bob' },
    ]);
    expect(record).toMatchObject({
      ...{ inputs: { q: 1 }, outputs: { b: 2 }, expectations: { x: 1, y: 2 }, tags: { t: '1' }, source: { source_type: 'HUMAN' } },
      ...{ createdAt: 1, updatedAt: 2, createdBy: 'ann', updatedBy: 'bob' },
    });
    expect(foldRecord('d-1', [])).toBeUndefined();
  });
});
