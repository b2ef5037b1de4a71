import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { partitionOf } from './partition.js';

/** Hashes from Kafka's own tests of its murmur2 (org.apache.kafka.common.utils.UtilsTest). */
const KAFKA: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

describe('partitionOf', () => {
  test.each(KAFKA)('puts %p where Kafka’s default partitioner puts it', (key, hash) => {
    for (const partitions of [2, 3, 4, 12, 64, 0x7fffffff]) expect(partitionOf(key, partitions)).toBe((hash & 0x7fffffff) % partitions);
  });

  test('gives one of the partitions, always the same, and spreads keys over all', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 100 }), (key, partitions) => {
        const partition = partitionOf(key, partitions);
        expect(partition).toBe(partitionOf(key, partitions));
        expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true);
      }),
    );
    const counts = [0, 0, 0, 0];
    for (let index = 0; index < 4_000; index++) counts[partitionOf(`run/${index}`, 4)]!++;
    for (const count of counts) expect(count).toBeGreaterThan(800);
  });

  test('has a place for records without a key', () => {
    expect(partitionOf(null, 4)).toBe(0);
  });
});
