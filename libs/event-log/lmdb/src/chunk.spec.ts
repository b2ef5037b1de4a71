import { describe, expect, test } from '@jest/globals';
import type { LogRecord, NewRecord } from '@millrace/event-log';
import fc from 'fast-check';
import { appendedAt, ChunkBuilder, countOf, decodeChunk, flawOf, sizeOf } from './chunk.js';

const headers = fc.dictionary(
  fc.string({ unit: 'grapheme' }).filter((name) => name !== '__proto__'),
  fc.string({ unit: 'grapheme' }),
  {
    noNullPrototype: true,
  },
);
const newRecord: fc.Arbitrary<NewRecord> = fc.record(
  {
    topic: fc.constant('t'),
    key: fc.option(fc.string({ unit: 'grapheme' })),
    value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    headers,
    timestamp: fc.integer({ min: 0, max: 4e12 }),
  },
  { requiredKeys: ['topic', 'key', 'value'] },
);

function build(records: readonly NewRecord[], base: number): { chunk: Buffer; builder: ChunkBuilder } {
  const builder = new ChunkBuilder('t', 3, 0);
  for (const record of records) builder.add(record, 1234);
  builder.base = base;
  return { chunk: Buffer.from(builder.seal(5678)), builder };
}

function decode(chunk: Buffer, base: number, from = 0, maxRecords = Infinity, maxBytes = Infinity): LogRecord[] {
  const into: LogRecord[] = [];
  decodeChunk(chunk, { topic: 't', partition: 3, base, from, maxRecords, maxBytes }, into);
  return into;
}

describe('a chunk', () => {
  test('gives back what was put in, and the same as the builder tells its readers', () => {
    fc.assert(
      fc.property(fc.array(newRecord, { minLength: 1, maxLength: 30 }), fc.integer({ min: 0, max: 2 ** 52 }), (records, base) => {
        const { chunk, builder } = build(records, base);
        expect(flawOf(chunk)).toBeUndefined();
        expect(countOf(chunk)).toBe(records.length);
        expect(appendedAt(chunk)).toBe(5678);
        const decoded = decode(chunk, base);
        expect(decoded).toEqual(
          records.map((record, index) => ({
            topic: 't',
            partition: 3,
            offset: base + index,
            key: record.key,
            value: record.value,
            headers: record.headers ?? {},
            timestamp: record.timestamp ?? 1234,
          })),
        );
        expect(builder.logRecords()).toEqual(decoded);
      }),
    );
  });

  test('is read in parts within limits, but always by at least one record', () => {
    fc.assert(
      fc.property(
        fc.array(newRecord, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 700 }),
        (records, maxRecords, maxBytes) => {
          const { chunk } = build(records, 100);
          const parts: LogRecord[] = [];
          while (parts.length < records.length) {
            const part = decode(chunk, 100, 100 + parts.length, maxRecords, maxBytes);
            expect(part.length).toBeGreaterThanOrEqual(1);
            expect(part.length).toBeLessThanOrEqual(maxRecords);
            parts.push(...part);
          }
          expect(parts).toEqual(decode(chunk, 100));
        },
      ),
    );
  });

  test('with any byte changed is refused', () => {
    const { chunk } = build([{ topic: 't', key: 'k', value: Buffer.from('value'), headers: { a: 'b' } }], 0);
    for (let at = 0; at < chunk.length; at++) {
      if (at >= 1 && at < 4) continue; // padding
      const changed = Buffer.from(chunk);
      changed[at]! ^= 0x40;
      expect(flawOf(changed)).toBeDefined();
    }
    expect(flawOf(chunk.subarray(0, chunk.length - 1))).toBeDefined();
    expect(flawOf(Buffer.alloc(3))).toBeDefined();
  });

  test('does not hold on to the buffer it was given', () => {
    const value = Buffer.from('before');
    const builder = new ChunkBuilder('t', 0, 0);
    builder.add({ topic: 't', key: null, value }, 0);
    value.write('after!');
    builder.base = 0;
    expect(builder.logRecords()[0]?.value.toString()).toBe('before');
  });

  test('is about as large as estimated', () => {
    const record = { topic: 't', key: 'key', value: Buffer.alloc(200), headers: { ce_id: '1', ce_type: 'x' } };
    const { chunk } = build(
      Array.from({ length: 100 }, () => record),
      0,
    );
    expect(Math.abs(chunk.length - 100 * sizeOf(record))).toBeLessThan(1000);
  });
});
