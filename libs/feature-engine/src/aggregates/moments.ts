import type { NumberSlice } from './quantile-sketch.js';

/**
 * Sum of the squared distances from the mean, in canonical order: a second pass over the events, which are all here, instead of running moments, whose
 * error would depend on how tiles were merged. What the mean's own rounding adds is taken off again.
 */
export function squaresAround(mean: number, slices: readonly NumberSlice[], count: number): number {
  let squares = 0;
  let rest = 0;
  for (const { values, from, to } of slices) {
    for (let at = from; at < to; at++) {
      const value = values[at] as number;
      if (value !== value) continue;
      const distance = value - mean;
      squares += distance * distance;
      rest += distance;
    }
  }
  return Math.max(0, squares - (rest * rest) / count);
}

/** The same of integers: exact, and divided once. */
export function integerSquaresAround(sum: bigint, sumOfSquares: bigint, count: number): number {
  return Number(BigInt(count) * sumOfSquares - sum * sum) / count;
}
