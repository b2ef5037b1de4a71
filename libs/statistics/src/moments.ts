/** Count, mean and sum of squared deviations: all that a mean and its variance need. Values may be added one by one or sets merged. */
export interface Moments {
  readonly n: number;
  readonly mean: number;
  /** Sum of squared deviations from the mean. */
  readonly m2: number;
}

export const NO_MOMENTS: Moments = { n: 0, mean: 0, m2: 0 };

/** Adds one value (Welford 1962): no sum of squares, so no digits are lost when the mean is large beside the spread. */
export function withValue(moments: Moments, value: number): Moments {
  const n = moments.n + 1;
  const delta = value - moments.mean;
  const mean = moments.mean + delta / n;
  return { n, mean, m2: moments.m2 + delta * (value - mean) };
}

/** The moments of both sets together (Chan, Golub, LeVeque 1979). */
export function merged(a: Moments, b: Moments): Moments {
  if (a.n === 0) return b;
  if (b.n === 0) return a;
  const n = a.n + b.n;
  const delta = b.mean - a.mean;
  return { n, mean: a.mean + (delta * b.n) / n, m2: a.m2 + b.m2 + (delta * delta * a.n * b.n) / n };
}

export function momentsOf(values: Iterable<number>): Moments {
  let moments = NO_MOMENTS;
  for (const value of values) moments = withValue(moments, value);
  return moments;
}

/** From what a database aggregates: count, mean and sample variance (`count()`, `avg`, `varSampStable`). */
export function momentsFrom(n: number, mean: number, variance: number): Moments {
  return n === 0 ? NO_MOMENTS : { n, mean, m2: n > 1 ? variance * (n - 1) : 0 };
}

/** Sample variance (divided by n - 1); `undefined` below two values. */
export function varianceOf(moments: Moments): number | undefined {
  return moments.n < 2 ? undefined : Math.max(0, moments.m2) / (moments.n - 1);
}
