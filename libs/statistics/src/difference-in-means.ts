import tCdf from '@stdlib/stats-base-dists-t-cdf';
import tQuantile from '@stdlib/stats-base-dists-t-quantile';
import { varianceOf, type Moments } from './moments.js';

export interface Interval {
  readonly lower: number;
  readonly upper: number;
  /** Confidence, e.g. 0.95. */
  readonly level: number;
}

export interface MeanDifference {
  /** mean(treatment) - mean(control). */
  readonly difference: number;
  readonly standardError: number;
  /** Welch-Satterthwaite; fractional. */
  readonly degreesOfFreedom: number;
  readonly statistic: number;
  /** Two-sided. */
  readonly pValue: number;
  readonly interval: Interval;
}

/**
 * Welch's t-test and interval for the difference of two means with unequal variances (Welch 1947). Fixed horizon: its p-value holds for one look.
 * `undefined` while an arm has fewer than two values. When neither arm varies at all the difference is exact: the interval is a point.
 */
export function differenceInMeans(control: Moments, treatment: Moments, level = 0.95): MeanDifference | undefined {
  if (!(level > 0 && level < 1)) throw new RangeError(`level is ${level}; it must lie between 0 and 1`);
  const controlVariance = varianceOf(control);
  const treatmentVariance = varianceOf(treatment);
  if (controlVariance === undefined || treatmentVariance === undefined) return undefined;
  const a = controlVariance / control.n;
  const b = treatmentVariance / treatment.n;
  const difference = treatment.mean - control.mean;
  const squaredError = a + b;
  if (squaredError === 0) return exactDifference(difference, control.n + treatment.n - 2, level);
  const standardError = Math.sqrt(squaredError);
  // Shares of the squared error, so that tiny or huge variances neither underflow nor overflow when squared.
  const degreesOfFreedom = 1 / ((a / squaredError) ** 2 / (control.n - 1) + (b / squaredError) ** 2 / (treatment.n - 1));
  const statistic = difference / standardError;
  const margin = -tQuantile((1 - level) / 2, degreesOfFreedom) * standardError;
  return {
    difference,
    standardError,
    degreesOfFreedom,
    statistic,
    pValue: 2 * tCdf(-Math.abs(statistic), degreesOfFreedom),
    interval: { lower: difference - margin, upper: difference + margin, level },
  };
}

function exactDifference(difference: number, degreesOfFreedom: number, level: number): MeanDifference {
  return {
    difference,
    standardError: 0,
    degreesOfFreedom,
    statistic: difference === 0 ? 0 : Math.sign(difference) * Infinity,
    pValue: difference === 0 ? 1 : 0,
    interval: { lower: difference, upper: difference, level },
  };
}
