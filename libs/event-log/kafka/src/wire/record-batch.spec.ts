import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import type { NewRecord } from '@millrace/event-log';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { unpack } from './codecs.js';
import { crc32c } from './crc32c.js';
import { batchesOf, recordsOf, RECORDS_AT, type RawBatch } from './record-batch-reader.js';
import { encodeBatch, prepare, sizeInBatch, BATCH_OVERHEAD } from './record-batch-writer.js';

const NOBODY = { producerId: -1n, epoch: -1 };
const TIME = 1_700_000_000_000;

const records: fc.Arbitrary<NewRecord[]> = fc.array(
  fc.record({
    topic: fc.constant('t'),
    key: fc.option(fc.string({ unit: 'binary' }), { nil: null }),
    value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    headers: fc.dictionary(fc.string({ minLength: 1 }), fc.string({ unit: 'grapheme' }), { noNullPrototype: true }),
    // To the end of the year 9999.
    timestamp: fc.integer({ min: 0, max: 253_402_300_799_999 }),
  }),
  { minLength: 1, maxLength: 40 },
);

function only(bytes: Buffer): RawBatch {
  const [batch, ...rest] = [...batchesOf(bytes)];
  expect(rest).toEqual([]);
  return batch as RawBatch;
}

/** The batch as a producer would have packed it, or as one would have spoilt it. */
function packed(batch: Buffer, codec: number, pack: (records: Buffer) => Buffer): Buffer {
  const bytes = Buffer.concat([batch.subarray(0, RECORDS_AT), pack(batch.subarray(RECORDS_AT))]);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt16BE(codec, 21);
  bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length), 17);
  return bytes;
}

const sample = encodeBatch(
  ['a', 'b', 'c'].map((key, index) =>
    prepare({ topic: 't', key, value: Buffer.from(`value ${key} `.repeat(50)), timestamp: TIME + index }, 0),
  ),
  NOBODY,
  -1,
);

describe('record batches', () => {
  test('the checksum is CRC-32C', () => {
    const bytes = Buffer.from('123456789');
    expect(crc32c(bytes, 0, bytes.length)).toBe(0xe3069283);
    const long = Buffer.from('the quick brown fox jumps over the lazy dog');
    const parts = [...long].map((_, at) => crc32c(long, at, long.length));
    expect(new Set(parts).size).toBe(long.length);
  });

  test('what is written is read back, and takes no more room than planned', () => {
    fc.assert(
      fc.property(records, (given) => {
        const prepared = given.map((record) => prepare(record, TIME));
        const bytes = encodeBatch(prepared, { producerId: 7n, epoch: 1 }, 42);
        expect(bytes.length).toBeLessThanOrEqual(BATCH_OVERHEAD + prepared.reduce((sum, one) => sum + sizeInBatch(one), 0));
        const read = recordsOf('t', 3, only(bytes), 0);
        expect(read).toEqual(
          given.map(({ key, value, headers, timestamp }, offset) => ({ topic: 't', partition: 3, offset, key, value, headers, timestamp })),
        );
      }),
    );
  });

  test('records before the place asked for are left out, and a batch cut off at the end is left for later', () => {
    expect(recordsOf('t', 0, only(sample), 1).map((record) => record.key)).toEqual(['b', 'c']);
    const two = Buffer.concat([sample, sample]);
    expect([...batchesOf(two.subarray(0, two.length - 1))]).toHaveLength(1);
    expect([...batchesOf(sample.subarray(0, 30))]).toHaveLength(0);
  });

  const xerial = (bytes: Buffer) => {
    const blocks = [bytes.subarray(0, 200), bytes.subarray(200)].map((block) => compressSync(block));
    const length = (block: Buffer) => Buffer.from([block.length >> 24, block.length >> 16, block.length >> 8, block.length]);
    const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    return Buffer.concat([header, ...blocks.flatMap((block) => [length(block), block])]);
  };
  test.each([
    ['gzip', 1, gzipSync],
    ['snappy in one block', 2, (bytes: Buffer) => compressSync(bytes)],
    ["snappy in Java's frames", 2, xerial],
    ['lz4', 3, (bytes: Buffer) => compressFrameSync(bytes)],
    ['zstd', 4, zstdCompressSync],
  ])('%s is unpacked', (_, codec, pack) => {
    const batch = only(packed(sample, codec, pack));
    expect(recordsOf('t', 0, batch, 0)).toEqual(recordsOf('t', 0, only(sample), 0));
  });

  test('a codec nobody knows, and bytes that are not what the codec says, are refused', () => {
    for (const codec of [1, 2, 3, 4, 5]) {
      const batch = only(packed(sample, codec, () => Buffer.from('not compressed at all')));
      expect(() => recordsOf('t', 0, batch, 0)).toThrow();
    }
    expect(() => unpack(7, Buffer.alloc(0))).toThrow('compression codec 7 is unknown');
  });

  test('any damage is noticed, none loops or reads beyond the batch', () => {
    fc.assert(
      fc.property(fc.nat(sample.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, isHidden) => {
        const bytes = Buffer.from(sample);
        if (at < RECORDS_AT) return;
        bytes[at] = (bytes[at] as number) ^ flip;
        // Under a checksum that is right only the structure can give the damage away, and it may not.
        if (isHidden) bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length), 17);
        const read = () => recordsOf('t', 0, only(bytes), 0);
        if (!isHidden) expect(read).toThrow('checksum');
        else {
          try {
            expect(read().length).toBeLessThanOrEqual(3);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});
