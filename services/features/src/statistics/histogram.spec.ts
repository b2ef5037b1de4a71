import { describe, expect, test } from '@jest/globals';
import { bucketOf } from '@millrace/feature-engine';
import fc from 'fast-check';
import { histogramOf, quantilesOf, type BucketCounts } from './histogram.js';

function countsOf(values: readonly number[]): BucketCounts {
  const byBucket = new Map<number, number>();
  for (const value of values) byBucket.set(bucketOf(value + 0), (byBucket.get(bucketOf(value + 0)) ?? 0) + 1);
  const sorted = [...byBucket].sort(([a], [b]) => a - b);
  return {
    buckets: sorted.map(([bucket]) => bucket),
    counts: sorted.map(([, count]) => count),
    least: Math.min(...values),
    greatest: Math.max(...values),
  };
}

const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), { minLength: 1, maxLength: 200 });

describe('what buckets tell', () => {
  test('quantiles are within 0.8 % of the value of their rank', () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (given, quantile) => {
        const sorted = [...given].sort((a, b) => a - b);
        const exact = sorted[Math.floor(quantile * (sorted.length - 1))] as number;
        const [found] = quantilesOf(countsOf(given), [quantile]) as [number];
        // What is too small for a double to have a full fraction is told as zero.
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(Math.abs(exact) / 127 + Number.MIN_VALUE * 2 ** 47);
      }),
    );
  });

  test('a histogram has all values, between the least and the greatest', () => {
    fc.assert(
      fc.property(values, (given) => {
        const { edges, counts } = histogramOf(countsOf(given), 10);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(given.length);
        expect([edges[0], edges.at(-1)]).toEqual([Math.min(...given), Math.max(...given)]);
        expect(edges).toHaveLength(counts.length + 1);
        for (const [index, edge] of edges.entries()) if (index > 0) expect(edge).toBeGreaterThanOrEqual(edges[index - 1] as number);
      }),
    );
    expect(histogramOf(countsOf([1, 1, 2, 9, 10]), 3)).toEqual({ edges: [1, 4, 7, 10], counts: [3, 0, 2] });
    expect(histogramOf(countsOf([7, 7]), 3)).toEqual({ edges: [7, 7], counts: [2] });
    // The smallest doubles have no tenths.
    expect(histogramOf(countsOf([0, 5e-324]), 10)).toEqual({ edges: [0, 5e-324], counts: [2] });
    expect(histogramOf(countsOf([0, 3e-323]), 10).edges.at(-2)).toBe(3e-323);
  });
});
