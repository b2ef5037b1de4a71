import { describe, expect, test } from '@jest/globals';
import { JsonBlock, RowText } from './json-block.js';
import { split } from './projected-partition.js';

const rowsOf = (bytes: Buffer): unknown[] =>
  bytes
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('JsonBlock', () => {
  test('puts the position in front of objects and of ready bytes', () => {
    const block = new JsonBlock('t', 2);
    block.add(5, { a: 1 });
    block.add(6, {});
    block.add(7, Buffer.from('  { "a": "é" }\n'));
    block.add(8, Buffer.from('{ }'));
    block.add(9, [{ a: 2 }, Buffer.from('{"a":3}')]);
    const at = (offset: number) => ({ _topic: 't', _partition: 2, _offset: offset });
    expect(rowsOf(block.bytes(block.all))).toEqual([
      { ...at(5), a: 1 },
      at(6),
      { ...at(7), a: 'é' },
      at(8),
      { ...at(9), _row: 0, a: 2 },
      { ...at(9), _row: 1, a: 3 },
    ]);
    expect(block.token(block.all)).toBe('t:2:5-9');
    expect(block.rows).toBe(6);
  });

  test.each(['[1]', '{"a":1}{"a":2}', '{"a":1},{"a":2}', '{"a":1} x', '{"a":"}', '', '"{}"', '{"a":1]} {"a":2}', '{"a":"\\\\"}}'])(
    'refuses ready bytes that are not one object: %s',
    (text) => {
      const block = new JsonBlock('t', 2);
      expect(() => block.add(1, Buffer.from(text))).toThrow('not one JSON object');
      expect(block.isEmpty && block.size === 0).toBe(true);
    },
  );

  test('takes all rows of a record or none', () => {
    const block = new JsonBlock('t', 2);
    expect(() => block.add(1, [{ a: 1 }, Buffer.from('bad')])).toThrow();
    block.add(2, { a: 2 });
    expect(block.rows).toBe(1);
    expect(rowsOf(block.bytes(block.all))).toMatchObject([{ _offset: 2 }]);
  });

  test('makes one line of ready bytes', () => {
    const block = new JsonBlock('t', 2);
    block.add(1, Buffer.from('\n{"a":\n\n1,"b":{"c":["}","\\"{"]}}\n\n'));
    block.add(2, { a: 'two\n\nlines' });
    expect(rowsOf(block.bytes(block.all))).toMatchObject([{ a: 1, b: { c: ['}', '"{'] } }, { a: 'two\n\nlines' }]);
  });

  test('takes text that the projection has written as it is, and a string as what it is: no row', () => {
    const block = new JsonBlock('t', 2);
    block.add(1, new RowText('"a":"é"'));
    block.add(2, [new RowText('"a":1'), { a: 2 }]);
    expect(rowsOf(block.bytes(block.all))).toMatchObject([
      { _offset: 1, a: 'é' },
      { _offset: 2, _row: 0, a: 1 },
      { _offset: 2, _row: 1, a: 2 },
    ]);
    block.add(3, '{"a":1}{"a":2}' as unknown as object);
    expect(block.bytes({ from: 2, to: 3 }).toString()).not.toContain('{"a":2}');
  });

  test('cuts ranges at records and tells what is left after an offset', () => {
    const block = new JsonBlock('t', 2);
    for (let offset = 10; offset < 20; offset++) block.add(offset, [{ offset }, { offset }]);
    expect(rowsOf(block.bytes({ from: 3, to: 4 }))).toMatchObject([{ offset: 13 }, { offset: 13 }]);
    expect(block.rowCount({ from: 3, to: 6 })).toBe(6);
    expect(block.after(block.all, 13)).toEqual({ from: 3, to: 10 });
    expect(block.after(block.all, 20)).toBeUndefined();
    expect(block.recordOfRow({ from: 3, to: 10 }, 3)).toBe(4);
  });

  test('grows far beyond its first bytes', () => {
    const block = new JsonBlock('t', 2);
    for (let offset = 0; offset < 3000; offset++) block.add(offset, { text: '€'.repeat(100) });
    expect(rowsOf(block.bytes(block.all))).toHaveLength(3000);
  });

  test('splits around the row ClickHouse names, or in halves', () => {
    const block = new JsonBlock('t', 2);
    for (let offset = 0; offset < 10; offset++) block.add(offset, { offset });
    expect(split(block, block.all, 'Cannot parse (at row 4)')).toEqual([
      { from: 0, to: 3 },
      { from: 3, to: 4 },
      { from: 4, to: 10 },
    ]);
    expect(split(block, block.all, 'Cannot parse (at row 1)')).toEqual([
      { from: 0, to: 1 },
      { from: 1, to: 10 },
    ]);
    expect(split(block, { from: 2, to: 5 }, 'Cannot parse')).toEqual([
      { from: 2, to: 4 },
      { from: 4, to: 5 },
    ]);
  });
});
