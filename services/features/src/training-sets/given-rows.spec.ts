import { expect, test } from '@jest/globals';
import { parseColumnType, type ColumnType } from '@millrace/feature-engine';
import { checkGivenRows, inferColumns } from './given-rows.js';

const shape = { keys: [{ name: 'shop', type: parseColumnType('Int64') as ColumnType }], timestampColumn: 'asked' };
const typeOf = (...values: unknown[]) =>
  inferColumns(
    values.map((x) => ({ x })),
    shape,
  )[0]?.type;

test.each([
  [[1, 2.5, null], 'Nullable(Float64)'],
  [[1, 2 ** 60], 'Nullable(Float64)'],
  [[null], 'Nullable(String)'],
  [[true, null, false], 'Nullable(Bool)'],
  [[1, 'a'], 'Nullable(String)'],
  [[1, true], 'Nullable(String)'],
  [[9007199254740993n, 5, null], 'Nullable(Int64)'],
  [[9007199254740993n, 'a'], 'Nullable(String)'],
  [[-9223372036854775808n], 'Nullable(Int64)'],
  [[5, 18446744073709551615n], 'Nullable(UInt64)'],
  // Written out by a client of doubles: no digit of these is lost.
  [[100000000000000000000n, 1.5], 'Nullable(Float64)'],
  [[9007199254740994n, 1.5], 'Nullable(Float64)'],
])('a column of %p is %s', (values, type) => {
  expect(typeOf(...values)).toBe(type);
});

test('join keys have their types, and milliseconds are whole', () => {
  expect(inferColumns([{ shop: '7', asked: 5 }], shape)).toEqual([
    { name: 'shop', type: 'Nullable(Int64)' },
    { name: 'asked', type: 'Nullable(Int64)' },
  ]);
});

test.each([
  [{ x: 9007199254740993n }, { x: 1.5 }, 'column x has 9007199254740993, whose digits would be lost, as a number beside it is no 64-bit'],
  [{ x: 18446744073709551615n }, { x: -1 }, 'column x has 18446744073709551615, whose digits would be lost, as no 64 bits hold all'],
  [{ shop: 1 }, { shop: 1.5 }, 'column shop has 1.5 in row 1, which is no Int64'],
  [{ shop: 9223372036854775807n }, { shop: 9223372036854775808n }, 'column shop has 9223372036854775808 in row 1, which is no Int64'],
  [{ asked: 1 }, { asked: 1.5 }, 'column asked has 1.5 in row 1, which is no whole number of milliseconds'],
])('%p beside %p is refused', (one, other, reason) => {
  expect(() => checkGivenRows([one, other], shape)).toThrow(reason);
});
