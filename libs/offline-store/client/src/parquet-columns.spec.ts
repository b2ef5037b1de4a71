import { expect, test } from '@jest/globals';
import { parquetColumn } from './parquet-columns.js';

test('what a Parquet file has no word for goes into it as text, wherever it stands in a type', () => {
  const typeOf = (type: string): string | undefined => parquetColumn('c', type)?.type;
  expect(typeOf("Enum8('a' = 1, 'it\\'s (b)' = -2)")).toBe('String');
  expect(typeOf("Nullable(Enum16('IPv4' = 1))")).toBe('Nullable(String)');
  expect(typeOf('LowCardinality(Nullable(IPv6))')).toBe('LowCardinality(Nullable(String))');
  expect(typeOf("Array(Tuple(IPv4 IPv4, `UUID` UInt8, e Enum8('x' = 0), n Int256))")).toBe(
    'Array(Tuple(IPv4 String, `UUID` UInt8, e String, n String))',
  );
  expect(typeOf('Map(String, Array(UUID))')).toBe('Map(String, Array(String))');
  expect(typeOf('Tuple(Time Int32, t Time, a Array(Nullable(Time64(3))))')).toBe('Tuple(Time Int32, t String, a Array(Nullable(String)))');
  expect(typeOf('BFloat16')).toBe('Float32');
  expect(parquetColumn('c', 'IPv4')).toEqual({ type: 'String', sql: "CAST(c, 'String')" });
});

test('what it has a word for stays, and what it cannot hold is told', () => {
  for (const type of [
    'Float64',
    'Nullable(Int64)',
    "DateTime64(3, 'UTC')",
    'Decimal(18, 2)',
    'FixedString(4)',
    'Array(LowCardinality(String))',
  ])
    expect(parquetColumn('c', type)).toEqual({ type, sql: 'c' });
  for (const type of ['IntervalDay', 'Variant(String, UInt8)', 'Array(JSON)', 'AggregateFunction(sum, UInt8)'])
    expect(parquetColumn('c', type)).toBeUndefined();
});
