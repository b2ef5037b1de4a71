import { middleOf } from '@millrace/feature-engine';

/** Counts of values in logarithmic buckets, in ascending order of the buckets. */
export interface BucketCounts {
  readonly buckets: readonly number[];
  readonly counts: readonly number[];
  readonly least: number;
  readonly greatest: number;
}

export interface Histogram {
  /** One more than counts; the last interval includes its upper edge. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** Quantiles of rank floor(q (n - 1)), within 0.8 % of the exact ones; the least and the greatest are exact. */
export function quantilesOf({ buckets, counts, least, greatest }: BucketCounts, asked: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return asked.map((quantile) => {
    const rank = Math.floor(quantile * (total - 1));
    if (rank <= 0) return least;
    if (rank >= total - 1) return greatest;
    let passed = 0;
    let at = 0;
    while ((passed += counts[at] as number) <= rank) at++;
    return within(middleOf(buckets[at] as number), least, greatest);
  });
}

/** Intervals of equal width from the least to the greatest value; one when all values are the same, or too close for more. */
export function histogramOf({ buckets, counts, least, greatest }: BucketCounts, intervals: number): Histogram {
  // In parts: the distance between the greatest doubles is none. Of the smallest, a part is nothing, or too much.
  const width = greatest / intervals - least / intervals;
  if (width === 0) return { edges: [least, greatest], counts: [counts.reduce((sum, count) => sum + count, 0)] };
  const edges = Array.from({ length: intervals + 1 }, (_, at) => within(least + width * at, least, greatest));
  [edges[0], edges[intervals]] = [least, greatest];
  const sums = new Array<number>(intervals).fill(0);
  for (const [index, bucket] of buckets.entries()) {
    const value = within(middleOf(bucket), least, greatest);
    const at = Math.min(intervals - 1, Math.max(0, Math.floor((value - least) / width)));
    sums[at] = (sums[at] as number) + (counts[index] as number);
  }
  return { edges, counts: sums };
}

function within(value: number, least: number, greatest: number): number {
  return Math.min(greatest, Math.max(least, value));
}
