import { bucketOf, middleOf } from './value-buckets.js';

/** Up to so many values are ranked exactly. */
export const RANKED_EXACTLY = 1_024;

/** One chunk's values: NaN is null. */
export interface NumberSlice {
  readonly values: Float64Array;
  readonly from: number;
  readonly to: number;
}

/**
 * Answers for any quantile of a window's values. The q-quantile of n values is that of rank floor(q (n - 1)) from 0, one of the values, never
 * one in between. Up to {@link RANKED_EXACTLY} values it is exact; beyond it comes from a histogram with logarithmic buckets and is within 0.8 % of the exact
 * one. Which it is, and every count, depends on the values alone and not on their order; two histograms add up bucket by bucket.
 */
export class QuantileSketch {
  readonly #count: number;
  readonly #sorted: Float64Array | undefined;
  readonly #least: number;
  readonly #greatest: number;
  readonly #lowest: number = 0;
  readonly #counts: Uint32Array = new Uint32Array(0);

  /** `count`, `least` and `greatest` of the values that are not null; there is one at least. */
  constructor(slices: readonly NumberSlice[], count: number, least: number, greatest: number) {
    this.#count = count;
    this.#least = least;
    this.#greatest = greatest;
    if (count <= RANKED_EXACTLY) {
      const sorted = new Float64Array(count);
      let next = 0;
      for (const { values, from, to } of slices) {
        for (let at = from; at < to; at++) {
          const value = values[at] as number;
          if (value === value) sorted[next++] = value;
        }
      }
      this.#sorted = sorted.sort();
      return;
    }
    this.#lowest = bucketOf(least);
    const counts = new Uint32Array(bucketOf(greatest) - this.#lowest + 1);
    for (const { values, from, to } of slices) {
      for (let at = from; at < to; at++) {
        const value = values[at] as number;
        if (value !== value) continue;
        const bucket = bucketOf(value) - this.#lowest;
        counts[bucket] = (counts[bucket] as number) + 1;
      }
    }
    this.#counts = counts;
  }

  at(quantile: number): number {
    const rank = Math.floor(quantile * (this.#count - 1));
    if (this.#sorted) return this.#sorted[rank] as number;
    if (rank === 0) return this.#least;
    if (rank === this.#count - 1) return this.#greatest;
    let passed = 0;
    let bucket = 0;
    while ((passed += this.#counts[bucket] as number) <= rank) bucket++;
    return Math.min(this.#greatest, Math.max(this.#least, middleOf(bucket + this.#lowest)));
  }
}
