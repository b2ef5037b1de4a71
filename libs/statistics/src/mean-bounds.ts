import type { Interval } from './difference-in-means.js';

/**
 * Values between -1 and 1 as three sums. Values are rounded to multiples of 2^-13 when they are added, so that the sums are exact: they do not
 * depend on the order of adding, nor on what was merged with what, up to 2^27 values.
 */
export interface BoundedSums {
  readonly n: number;
  readonly sum: number;
  readonly squares: number;
}

export const NO_SUMS: BoundedSums = { n: 0, sum: 0, squares: 0 };

const STEPS = 8192;

/** The value as it counts. Throws a RangeError beyond -1 and 1. */
export function rounded(value: number): number {
  if (!(value >= -1 && value <= 1)) throw new RangeError(`${value} is not between -1 and 1`);
  return Math.round(value * STEPS) / STEPS;
}

export function withBounded(sums: BoundedSums, value: number): BoundedSums {
  const exact = rounded(value);
  return { n: sums.n + 1, sum: sums.sum + exact, squares: sums.squares + exact * exact };
}

/** Takes a value out again, because a later truth stands instead. */
export function withoutBounded(sums: BoundedSums, value: number): BoundedSums {
  const exact = rounded(value);
  return { n: sums.n - 1, sum: sums.sum - exact, squares: sums.squares - exact * exact };
}

export function mergedSums(a: BoundedSums, b: BoundedSums): BoundedSums {
  return { n: a.n + b.n, sum: a.sum + b.sum, squares: a.squares + b.squares };
}

/** `difference`: values from -1 to 1, expected about 0. `share`: values from 0 to 1, expected anywhere. */
export type BoundedRange = 'difference' | 'share';

/** Where the values are guessed to lie. A wrong guess costs samples, never validity; with several, the best of them soon carries the evidence. */
const CENTRES: Readonly<Record<BoundedRange, readonly number[]>> = { difference: [0], share: [0, 0.02, 0.06, 0.15, 0.3, 0.5, 0.75, 1] };

/** Stakes: for a small effect a small one grows fastest. */
const STAKES: readonly number[] = Array.from({ length: 13 }, (_, index) => 0.9 * 0.6 ** index);
/** psi_E(stake) = -log(1 - stake) - stake. */
const COSTS: readonly number[] = STAKES.map((stake) => -Math.log1p(-stake) - stake);

/**
 * Log of the evidence against "the mean is at most `bound`" (`direction` 1) or "at least" (-1). Before anything is seen it is 0; while that
 * statement holds, the evidence itself exceeds 1/alpha at any time at all with probability alpha at most (Ville 1939), however often one looks.
 *
 * It is a mixture over stakes l and centres c of exp(l sum(x - bound) - psi_E(l) sum((x - c)^2)), each a supermartingale as
 * exp(l y - psi_E(l) y^2) <= 1 + l y for y >= -1 (Fan, Grama and Liu 2015; Howard, Ramdas, McAuliffe and Sekhon 2021, section 3.2;
 * Waudby-Smith and Ramdas 2024, theorem 2, here with centres fixed beforehand, so that three sums are enough).
 */
export function logEvidence(sums: BoundedSums, bound: number, direction: 1 | -1, range: BoundedRange): number {
  if (sums.n === 0) return 0;
  const { n, sum, squares } = sums;
  const drift = direction * (sum - n * bound);
  const centres = CENTRES[range];
  let largest = -Infinity;
  const logs: number[] = [];
  for (const centre of centres) {
    const spread = squares - 2 * centre * sum + n * centre * centre;
    for (let i = 0; i < STAKES.length; i++) {
      const log = (STAKES[i] as number) * drift - (COSTS[i] as number) * spread;
      logs.push(log);
      if (log > largest) largest = log;
    }
  }
  let total = 0;
  for (const log of logs) total += Math.exp(log - largest);
  return largest + Math.log(total / logs.length);
}

/**
 * Bounds of the mean that hold at all times together: each side is crossed by the true mean, ever, with probability `alpha` at most
 * (a confidence sequence; Darling and Robbins 1967). Without values they are the ends of the range.
 */
export function meanBounds(sums: BoundedSums, alpha: number, range: BoundedRange): Interval & { readonly mean: number } {
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha is ${alpha}; it must lie between 0 and 1`);
  const floor = range === 'difference' ? -1 : 0;
  const level = 1 - 2 * alpha;
  if (sums.n === 0) return { mean: 0, lower: floor, upper: 1, level };
  const threshold = -Math.log(alpha);
  const mean = sums.sum / sums.n;
  // The evidence against "at most m" falls as m grows.
  const lower = crossing(floor, mean, (bound) => logEvidence(sums, bound, 1, range) >= threshold);
  const upper = crossing(1, mean, (bound) => logEvidence(sums, bound, -1, range) >= threshold);
  return { mean, lower, upper, level };
}

/** The last bound, going from `outside` to `inside`, that is refused; `outside` when none is. Halving 50 times is the same everywhere. */
function crossing(outside: number, inside: number, isRefused: (bound: number) => boolean): number {
  if (!isRefused(outside)) return outside;
  let [refused, kept] = [outside, inside];
  for (let i = 0; i < 50; i++) {
    const middle = (refused + kept) / 2;
    if (isRefused(middle)) refused = middle;
    else kept = middle;
  }
  return refused;
}
