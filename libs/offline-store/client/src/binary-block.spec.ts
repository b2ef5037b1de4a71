import { describe, expect, test } from '@jest/globals';
import type { Item } from '@millrace/event-log';
import { BinaryBlock, binaryColumns, type BinaryRows } from './binary-block.js';
import { RowBinary } from './row-binary.js';

/** By its text: Jest's realm has another RangeError. */
const NO_SUCH = /out of range|cannot be converted|is no /;

type Batch = { readonly name: string; readonly values: readonly number[] };

const layout: BinaryRows<Batch> = {
  recordColumns: ['name'],
  rowColumns: ['n'],
  count: ({ value }) => value.values.length,
  writeRecord: ({ value }, out) => out.text(value.name),
  writeRow: ({ value }, index, out) => out.int64(value.values[index]!),
};

const itemOf = (offset: number, value: Batch): Item<Batch> => ({
  record: { topic: 't', partition: 2, offset, key: null, value: Buffer.alloc(0), headers: {}, timestamp: 0 },
  value,
});

describe('BinaryBlock', () => {
  test('writes the position and the record’s columns before each row', () => {
    const block = new BinaryBlock('t', 2, layout);
    block.add(5, itemOf(5, { name: 'é', values: [-1, 2 ** 40] }));
    block.add(6, itemOf(6, { name: 'none', values: [] }));
    block.add(7, itemOf(7, { name: '', values: [Number.MAX_SAFE_INTEGER] }));
    expect(binaryColumns(layout)).toEqual(['_topic', '_partition', '_offset', 'name', '_row', 'n']);
    expect([block.rows, block.offsets]).toEqual([3, [5, 7]]);
    const head = '0174' + '02000000' + '0500000000000000' + '02c3a9';
    expect(block.bytes({ from: 0, to: 1 }).toString('hex')).toBe(`${head}00000000ffffffffffffffff${head}010000000000000000010000`);
    expect(block.bytes({ from: 1, to: 2 }).toString('hex')).toBe('01740200000007000000000000000000000000ffffffffffff1f00');
    expect(block.token(block.all)).toBe('t:2:5-7');
  });

  test('takes all rows of a record or none', () => {
    const block = new BinaryBlock('t', 2, layout);
    block.add(1, itemOf(1, { name: 'a', values: [1] }));
    const { size } = block;
    expect(() => block.add(2, itemOf(2, { name: 'b', values: [1, 2 ** 70] }))).toThrow(NO_SUCH);
    expect([block.rows, block.size]).toEqual([1, size]);
  });
});

describe('RowBinary', () => {
  test.each([
    '',
    'plain',
    'ü',
    'plain and ü',
    'x'.repeat(47),
    'x'.repeat(48),
    'x'.repeat(127),
    'é'.repeat(64),
    '€'.repeat(10_000),
    '\ud800',
  ])('writes a text as its length and its bytes: %#', (text) => {
    const out = new RowBinary();
    out.text(text);
    const bytes = out.slice(0, out.length);
    let [length, at, shift] = [0, 0, 0];
    do {
      length |= (bytes[at]! & 127) << shift;
      shift += 7;
    } while (bytes[at++]! & 128);
    expect(bytes.subarray(at).toString()).toBe(Buffer.from(text).toString());
    expect(bytes.length - at).toBe(length);
  });

  test('writes numbers little-endian, and refuses what does not fit', () => {
    const out = new RowBinary();
    for (const value of [0, -1, 5e9, -5e9, Number.MIN_SAFE_INTEGER, 2 ** 62]) out.int64(value);
    const bytes = out.slice(0, out.length);
    expect([0, 1, 2, 3, 4, 5].map((index) => Number(bytes.readBigInt64LE(index * 8)))).toEqual([
      0,
      -1,
      5e9,
      -5e9,
      Number.MIN_SAFE_INTEGER,
      2 ** 62,
    ]);
    expect(() => out.int64(2 ** 63)).toThrow(NO_SUCH);
    expect(() => out.int64(0.5)).toThrow(NO_SUCH);
    expect(() => out.uint64(-1)).toThrow(NO_SUCH);
    expect(() => out.uint32(2 ** 32)).toThrow(NO_SUCH);
    expect(() => out.uint8(256)).toThrow(NO_SUCH);
  });
});
