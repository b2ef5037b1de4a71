import gammainc from '@stdlib/math-base-special-gammainc';

export interface SampleRatioTest {
  readonly statistic: number;
  readonly degreesOfFreedom: number;
  readonly pValue: number;
}

/** P(X >= statistic) of chi-square by the upper incomplete gamma function: 1 - cdf would lose the tail this test looks into. */
export function chiSquareUpperTail(statistic: number, degreesOfFreedom: number): number {
  return statistic <= 0 ? 1 : gammainc(statistic / 2, degreesOfFreedom / 2, true, true);
}

/**
 * Sample ratio mismatch: do the units counted fit the weights they were assigned by? Pearson's chi-square. A tiny p-value says that
 * assignment or logging is broken and no other number of the experiment can be trusted. Arms of weight 0 do not count as
 * degrees of freedom, but a unit in one is a mismatch beyond doubt. `undefined` without units or with a single arm.
 */
export function sampleRatioTest(arms: readonly { readonly n: number; readonly weight: number }[]): SampleRatioTest | undefined {
  const units = arms.reduce((sum, arm) => sum + arm.n, 0);
  const weights = arms.reduce((sum, arm) => sum + arm.weight, 0);
  const weighted = arms.filter((arm) => arm.weight > 0);
  if (units === 0 || weighted.length < 2) return undefined;
  const degreesOfFreedom = weighted.length - 1;
  if (arms.some((arm) => arm.weight === 0 && arm.n > 0)) return { statistic: Infinity, degreesOfFreedom, pValue: 0 };
  let statistic = 0;
  for (const arm of weighted) {
    const expected = (units * arm.weight) / weights;
    statistic += (arm.n - expected) ** 2 / expected;
  }
  return { statistic, degreesOfFreedom, pValue: chiSquareUpperTail(statistic, degreesOfFreedom) };
}
