import normalCdf from '@stdlib/stats-base-dists-normal-cdf';
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile';
import type { Interval } from './difference-in-means.js';

export interface Proportion {
  readonly successes: number;
  readonly n: number;
}

export interface ProportionDifference {
  /** share(treatment) - share(control). */
  readonly difference: number;
  /** Pooled z. */
  readonly statistic: number;
  /** Two-sided, of the pooled z. */
  readonly pValue: number;
  /** Newcombe's hybrid score interval: holds its level also for small shares, where the plain one leaves 0..1. */
  readonly interval: Interval;
}

/** Two shares compared: pooled z-test, and Newcombe's interval (1998, method 10). `undefined` while an arm is empty. */
export function differenceInProportions(control: Proportion, treatment: Proportion, level = 0.95): ProportionDifference | undefined {
  for (const { successes, n } of [control, treatment]) {
    if (!(successes >= 0 && successes <= n)) throw new RangeError(`${successes} successes of ${n} is no proportion`);
  }
  if (control.n === 0 || treatment.n === 0) return undefined;
  const p1 = control.successes / control.n;
  const p2 = treatment.successes / treatment.n;
  const pooled = (control.successes + treatment.successes) / (control.n + treatment.n);
  const standardError = Math.sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / treatment.n));
  const difference = p2 - p1;
  const statistic = standardError === 0 ? 0 : difference / standardError;
  const z = -normalQuantile((1 - level) / 2, 0, 1);
  const one = wilson(control, z);
  const two = wilson(treatment, z);
  return {
    difference,
    statistic,
    pValue: 2 * normalCdf(-Math.abs(statistic), 0, 1),
    interval: {
      // In exact numbers it never leaves -1..1.
      lower: Math.max(-1, difference - Math.hypot(p2 - two.lower, one.upper - p1)),
      upper: Math.min(1, difference + Math.hypot(two.upper - p2, p1 - one.lower)),
      level,
    },
  };
}

/** Wilson's score interval of one share. */
function wilson({ successes, n }: Proportion, z: number): { lower: number; upper: number } {
  const share = successes / n;
  const centre = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const margin = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return { lower: Math.max(0, centre - margin), upper: Math.min(1, centre + margin) };
}
