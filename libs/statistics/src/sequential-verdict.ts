import { logEvidence, meanBounds, type BoundedSums } from './mean-bounds.js';
import { countOf, distanceBounds, quantileBounds, type ValueHistogram } from './value-histogram.js';

/**
 * `failed`: the treatment is worse, beyond doubt. `passed`: it is not worse by more than is tolerated, beyond doubt. `undecided`: the values so far
 * allow for both. May be asked for after every value.
 */
export type Verdict = 'passed' | 'failed' | 'undecided';

export interface SequentialVerdict {
  readonly verdict: Verdict;
  readonly estimate: number | null;
  /** Bounds that hold at all times together, at the level of the verdict: of passing when it passed, else of failing. Null where there is none yet. */
  readonly lower: number | null;
  readonly upper: number | null;
  /** Values it rests on, of the arm or pairs that have fewer. */
  readonly samples: number;
  /** How many more until there is a verdict, if the values go on as they are; null when even a thousandfold would not do. */
  readonly more: number | null;
}

export interface VerdictOptions {
  /** Probability of failing, ever, what is not worse. */
  readonly failAlpha: number;
  /** Probability of passing, ever, what is worse by more than the margin or limit. */
  readonly passAlpha: number;
}

/** Differences of treatment and control where less is better. Failed: the mean is above 0. Passed: it is below `margin`. */
export function differenceVerdict(sums: BoundedSums, options: VerdictOptions & { readonly margin: number }): SequentialVerdict {
  const { failAlpha, passAlpha, margin } = options;
  const judge = (by: number): Verdict => {
    const grown = grownSums(sums, by);
    if (logEvidence(grown, margin, -1, 'difference') >= -Math.log(passAlpha)) return 'passed';
    return logEvidence(grown, 0, 1, 'difference') >= -Math.log(failAlpha) ? 'failed' : 'undecided';
  };
  const verdict = told(judge, sums.n);
  const { mean, lower, upper } = meanBounds(sums, levelOf(verdict, options), 'difference');
  return { ...verdict, estimate: sums.n === 0 ? null : mean, lower, upper, samples: sums.n };
}

/** Values from 0 to 1 of one kind, such as whether two answers differ. Failed: their mean is above `limit`. Passed: below it. */
export function shareVerdict(sums: BoundedSums, options: VerdictOptions & { readonly limit: number }): SequentialVerdict {
  const { failAlpha, passAlpha, limit } = options;
  const judge = (by: number): Verdict => {
    const grown = grownSums(sums, by);
    if (logEvidence(grown, limit, -1, 'share') >= -Math.log(passAlpha)) return 'passed';
    return logEvidence(grown, limit, 1, 'share') >= -Math.log(failAlpha) ? 'failed' : 'undecided';
  };
  const verdict = told(judge, sums.n);
  const { mean, lower, upper } = meanBounds(sums, levelOf(verdict, options), 'share');
  return { ...verdict, estimate: sums.n === 0 ? null : mean, lower, upper, samples: sums.n };
}

/**
 * Means of two arms between 0 and 1 where less is better, each with bounds of its own, whose errors are added: values may come in any order and
 * be taken back. Failed: the treatment's is above the control's. Passed: not by more than `margin`.
 */
export function meansVerdict(
  arms: { readonly control: BoundedSums; readonly treatment: BoundedSums },
  options: VerdictOptions & { readonly margin: number },
): SequentialVerdict {
  const { failAlpha, passAlpha, margin } = options;
  const bounds = (by: number, alpha: number): { lower: number; upper: number } => {
    const control = meanBounds(grownSums(arms.control, by), alpha / 2, 'share');
    const treatment = meanBounds(grownSums(arms.treatment, by), alpha / 2, 'share');
    return { lower: treatment.lower - control.upper, upper: treatment.upper - control.lower };
  };
  const judge = (by: number): Verdict => {
    if (bounds(by, passAlpha).upper < margin) return 'passed';
    return bounds(by, failAlpha).lower > 0 ? 'failed' : 'undecided';
  };
  const samples = Math.min(arms.control.n, arms.treatment.n);
  const estimate = samples === 0 ? null : arms.treatment.sum / arms.treatment.n - arms.control.sum / arms.control.n;
  const verdict = told(judge, samples);
  return { ...verdict, ...bounds(1, levelOf(verdict, options)), estimate, samples };
}

/**
 * A quantile of two arms where less is better, such as a latency. Failed: the treatment's is above the control's. Passed: not by more than
 * the share `margin` of it. Estimate and bounds are of the ratio, treatment by control.
 */
export function quantileVerdict(
  arms: { readonly control: ValueHistogram; readonly treatment: ValueHistogram },
  options: VerdictOptions & { readonly quantile: number; readonly margin: number },
): SequentialVerdict {
  const { failAlpha, passAlpha, quantile, margin } = options;
  const ratio = (by: number, alpha: number): { lower: number | null; upper: number | null; estimate: number | null } => {
    const control = quantileBounds(grownHistogram(arms.control, by), quantile, alpha / 2);
    const treatment = quantileBounds(grownHistogram(arms.treatment, by), quantile, alpha / 2);
    const isKnown = control.estimate !== null && treatment.estimate !== null && control.estimate > 0;
    return {
      lower: Number.isFinite(treatment.lower) && Number.isFinite(control.upper) ? treatment.lower / control.upper : null,
      upper: Number.isFinite(treatment.upper) && control.lower > 0 ? treatment.upper / control.lower : null,
      estimate: isKnown ? treatment.estimate / control.estimate : null,
    };
  };
  const judge = (by: number): Verdict => {
    const { upper } = ratio(by, passAlpha);
    if (upper !== null && upper <= 1 + margin) return 'passed';
    const { lower } = ratio(by, failAlpha);
    return lower !== null && lower > 1 ? 'failed' : 'undecided';
  };
  const samples = Math.min(countOf(arms.control), countOf(arms.treatment));
  const verdict = told(judge, samples);
  return { ...verdict, ...ratio(1, levelOf(verdict, options)), samples };
}

/** How far the arms' distributions are apart, 0 to 1. Failed: further than `limit`. Passed: not so far. */
export function distanceVerdict(
  arms: { readonly control: ValueHistogram; readonly treatment: ValueHistogram },
  options: VerdictOptions & { readonly limit: number },
): SequentialVerdict {
  const { failAlpha, passAlpha, limit } = options;
  const bounds = (by: number, alpha: number): ReturnType<typeof distanceBounds> =>
    distanceBounds(grownHistogram(arms.control, by), grownHistogram(arms.treatment, by), alpha);
  const judge = (by: number): Verdict => {
    if (bounds(by, passAlpha).upper < limit) return 'passed';
    return bounds(by, failAlpha).lower > limit ? 'failed' : 'undecided';
  };
  const samples = Math.min(countOf(arms.control), countOf(arms.treatment));
  const verdict = told(judge, samples);
  const { distance, lower, upper } = bounds(1, levelOf(verdict, options));
  return { ...verdict, estimate: samples === 0 ? null : distance, lower, upper, samples };
}

/** Bounds at another level than the verdict's would seem to say otherwise than it. */
function levelOf({ verdict }: { readonly verdict: Verdict }, { failAlpha, passAlpha }: VerdictOptions): number {
  return verdict === 'passed' ? passAlpha : failAlpha;
}

const MOST_GROWTH = 1000;

/** The verdict now, and by how much the values would have to grow for one. */
function told(judge: (by: number) => Verdict, samples: number): Pick<SequentialVerdict, 'verdict' | 'more'> {
  const verdict = judge(1);
  if (verdict !== 'undecided') return { verdict, more: 0 };
  if (samples === 0 || judge(MOST_GROWTH) === 'undecided') return { verdict, more: null };
  let [undecided, decided] = [1, MOST_GROWTH];
  while (decided / undecided > 1.01) {
    const middle = Math.sqrt(undecided * decided);
    if (judge(middle) === 'undecided') undecided = middle;
    else decided = middle;
  }
  return { verdict, more: Math.ceil(samples * (decided - 1)) };
}

function grownSums({ n, sum, squares }: BoundedSums, by: number): BoundedSums {
  return { n: n * by, sum: sum * by, squares: squares * by };
}

function grownHistogram(histogram: ValueHistogram, by: number): ValueHistogram {
  return by === 1 ? histogram : new Map([...histogram].map(([bucket, count]) => [bucket, Math.round(count * by)]));
}
