import gammaln from '@stdlib/math-base-special-gammaln';

/** Counts of numbers by bucket: sign and magnitude, 128 buckets to a factor of ten (1.8 % wide) from 1e-9 to 1e12. Exact to merge. */
export type ValueHistogram = ReadonlyMap<number, number>;

const PER_DECADE = 128;
const LOWEST_DECADE = -9;
const HIGHEST = (12 - LOWEST_DECADE) * PER_DECADE;

/** The bucket of a value: 0 for what is smaller than 1e-9; buckets grow as values do. */
export function bucketOfValue(value: number): number {
  if (Number.isNaN(value)) throw new RangeError('not a number has no bucket');
  const magnitude = Math.abs(value);
  if (magnitude < 1e-9) return 0;
  const bucket = Math.min(HIGHEST, 1 + Math.floor((Math.log10(magnitude) - LOWEST_DECADE) * PER_DECADE));
  return value < 0 ? -bucket : bucket;
}

/** The values a bucket holds: `from <= value < to`. */
export function valuesOfBucket(bucket: number): { readonly from: number; readonly to: number } {
  if (bucket === 0) return { from: 0, to: 1e-9 };
  const edge = (index: number): number => 10 ** (index / PER_DECADE + LOWEST_DECADE);
  const size = Math.abs(bucket);
  return bucket > 0 ? { from: edge(size - 1), to: edge(size) } : { from: -edge(size), to: -edge(size - 1) };
}

export function countOf(histogram: ValueHistogram): number {
  let count = 0;
  for (const value of histogram.values()) count += value;
  return count;
}

export interface QuantileBounds {
  /** Of the sample; middle of its bucket. */
  readonly estimate: number | null;
  readonly lower: number;
  /** Infinity while there are too few values to say. */
  readonly upper: number;
}

/**
 * Bounds of the quantile `p` that hold at all times together with probability 1 - `alpha` (Howard and Ramdas 2022, theorem 1 (b)): the number of
 * values up to the true quantile is Binomial(p), so a mixture of its likelihood ratios over Beta(pr, (1-p)r) stays below 1/alpha for ever.
 * Bounds are edges of buckets, outwards. For values without a point mass at the quantile, as durations are.
 */
export function quantileBounds(histogram: ValueHistogram, p: number, alpha: number): QuantileBounds {
  const n = countOf(histogram);
  if (n === 0) return { estimate: null, lower: -Infinity, upper: Infinity };
  const threshold = -Math.log(alpha);
  const isRefused = (below: number): boolean => logBetaBinomial(below, n, p) >= threshold;
  const centre = Math.min(n, Math.max(0, Math.round(n * p)));
  const fewest = lastKept(centre, 0, isRefused);
  const most = lastKept(centre, n, isRefused);
  const buckets = [...histogram].sort(([a], [b]) => a - b);
  const at = (rank: number): { from: number; to: number } => {
    let seen = 0;
    for (const [bucket, count] of buckets) if ((seen += count) >= rank) return valuesOfBucket(bucket);
    return { from: Infinity, to: Infinity };
  };
  const middle = at(Math.max(1, Math.ceil(n * p)));
  return {
    estimate: (middle.from + middle.to) / 2,
    lower: fewest === 0 ? -Infinity : at(fewest).from,
    upper: most >= n ? Infinity : at(most + 1).to,
  };
}

/** From `inside`, which is kept, towards `end`: the last that is not refused. */
function lastKept(inside: number, end: number, isRefused: (count: number) => boolean): number {
  if (!isRefused(end)) return end;
  let [kept, refused] = [inside, end];
  while (Math.abs(refused - kept) > 1) {
    const middle = Math.trunc((kept + refused) / 2);
    if (isRefused(middle)) refused = middle;
    else kept = middle;
  }
  return kept;
}

function logBetaBinomial(successes: number, n: number, p: number): number {
  const r = 2 / (p * (1 - p));
  const [a, b] = [p * r, (1 - p) * r];
  const mixed = logBeta(a + successes, b + n - successes) - logBeta(a, b);
  return mixed - successes * Math.log(p) - (n - successes) * Math.log1p(-p);
}

function logBeta(a: number, b: number): number {
  return gammaln(a) + gammaln(b) - gammaln(a + b);
}

export interface DistanceBounds {
  /** Largest difference between the shares up to a value: Kolmogorov's distance over the buckets, 0 to 1. */
  readonly distance: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * How far two distributions are apart, with bounds that hold at all times together with probability 1 - `alpha`: each empirical distribution
 * stays within 0.85 sqrt((log log(e n) + 0.8 log(1612 / a)) / n) of its own (Howard and Ramdas 2022, theorem 2), a = alpha / 2.
 */
export function distanceBounds(control: ValueHistogram, treatment: ValueHistogram, alpha: number): DistanceBounds {
  const [n, m] = [countOf(control), countOf(treatment)];
  if (n === 0 || m === 0) return { distance: 0, lower: 0, upper: 1 };
  let [distance, below, above] = [0, 0, 0];
  for (const bucket of [...new Set([...control.keys(), ...treatment.keys()])].sort((a, b) => a - b)) {
    below += control.get(bucket) ?? 0;
    above += treatment.get(bucket) ?? 0;
    distance = Math.max(distance, Math.abs(below / n - above / m));
  }
  const radius = distributionRadius(n, alpha / 2) + distributionRadius(m, alpha / 2);
  return { distance, lower: Math.max(0, distance - radius), upper: Math.min(1, distance + radius) };
}

function distributionRadius(n: number, alpha: number): number {
  return 0.85 * Math.sqrt((Math.log(Math.log(Math.E * n)) + 0.8 * Math.log(1612 / alpha)) / n);
}
