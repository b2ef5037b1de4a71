import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  chiSquareUpperTail,
  differenceInMeans,
  differenceInProportions,
  merged,
  momentsFrom,
  momentsOf,
  NO_MOMENTS,
  sampleRatioTest,
  varianceOf,
} from './index.js';

/** Relative closeness, so that a wrong tail cannot hide behind a small absolute error. */
function expectClose(actual: number, expected: number, relative = 1e-11): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(Math.abs(expected) * relative);
}

/** Count, mean, sample variance. */
type Sample = readonly [number, number, number];

const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { maxLength: 60 });

describe('moments', () => {
  test('agree with the two-pass formulas', () => {
    fc.assert(
      fc.property(values, (list) => {
        const moments = momentsOf(list);
        expect(moments.n).toBe(list.length);
        if (list.length < 2) {
          expect(varianceOf(moments)).toBeUndefined();
          return;
        }
        const mean = list.reduce((sum, x) => sum + x, 0) / list.length;
        const variance = list.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (list.length - 1);
        const size = Math.max(1, ...list.map(Math.abs));
        expect(Math.abs(moments.mean - mean)).toBeLessThan(size * 1e-12);
        expect(Math.abs(varianceOf(moments)! - variance)).toBeLessThan(size * size * 1e-12);
      }),
    );
  });

  test('merging is adding', () => {
    fc.assert(
      fc.property(values, values, (left, right) => {
        const whole = momentsOf([...left, ...right]);
        const parts = merged(momentsOf(left), momentsOf(right));
        const size = Math.max(1, ...left.map(Math.abs), ...right.map(Math.abs));
        expect(parts.n).toBe(whole.n);
        expect(Math.abs(parts.mean - whole.mean)).toBeLessThan(size * 1e-12);
        expect(Math.abs(parts.m2 - whole.m2)).toBeLessThan(size * size * (whole.n + 1) * 1e-12);
      }),
    );
    expect(merged(NO_MOMENTS, momentsOf([1, 2]))).toEqual(momentsOf([1, 2]));
  });

  test('keep the spread of values far from zero', () => {
    expect(varianceOf(momentsOf([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]))).toBe(30);
  });

  test('come back from what a database aggregates', () => {
    const moments = momentsOf([1, 2, 4, 8]);
    const back = momentsFrom(4, moments.mean, varianceOf(moments)!);
    expect(back.m2).toBeCloseTo(moments.m2, 12);
    expect(momentsFrom(0, NaN, NaN)).toEqual(NO_MOMENTS);
  });
});

describe('difference in means', () => {
  // scipy 1.17 ttest_ind_from_stats(equal_var=False); df by Welch-Satterthwaite, bounds by scipy.stats.t.ppf(0.975, df).
  test.each([
    [
      [120, 4.1, 2.3],
      [131, 4.9, 3.9],
      3.616332809951362,
      241.79001454615295,
      0.00036365691296632766,
      0.36423839614066456,
      1.2357616038593369,
    ],
    [[10, 0, 1], [12, 5, 0.01], 15.74591643244434, 9.150105107664336, 6.140180514887774e-8, 4.283460924004672, 5.716539075995328],
    [
      [5000, 0.2, 0.16],
      [5100, 0.35, 0.2275],
      17.137783080290454,
      9862.038667357368,
      6.717171616111943e-65,
      0.1328431318966118,
      0.16715686810338815,
    ],
    [[2, 1, 4], [3, 2, 9], 0.4472135954999579, 2.9411764705882355, 0.6855984144761557, -6.197363065258568, 8.197363065258568],
  ] as const)('%j against %j', (control, treatment, statistic, df, pValue, lower, upper) => {
    const result = differenceInMeans(momentsFrom(...(control as Sample)), momentsFrom(...(treatment as Sample)))!;
    expectClose(result.statistic, statistic);
    expectClose(result.degreesOfFreedom, df);
    expectClose(result.pValue, pValue, 1e-10);
    expectClose(result.interval.lower, lower);
    expectClose(result.interval.upper, upper);
  });

  test('swapping the arms mirrors it', () => {
    const arm = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 2, maxLength: 30 }).map(momentsOf);
    fc.assert(
      fc.property(arm, arm, (a, b) => {
        const one = differenceInMeans(a, b)!;
        const other = differenceInMeans(b, a)!;
        expect(other.pValue).toBe(one.pValue);
        expect(other.interval.lower + one.interval.upper).toBeCloseTo(0, 9);
      }),
    );
  });

  test('needs two values an arm', () => {
    expect(differenceInMeans(momentsOf([1]), momentsOf([1, 2]))).toBeUndefined();
  });

  test('without any spread it is exact', () => {
    expect(differenceInMeans(momentsOf([2, 2]), momentsOf([2, 2]))).toMatchObject({ difference: 0, pValue: 1 });
    expect(differenceInMeans(momentsOf([2, 2]), momentsOf([3, 3]))).toMatchObject({ pValue: 0, interval: { lower: 1, upper: 1 } });
  });

  test('the interval covers the true difference as often as it says (seeded, 4,000 experiments)', () => {
    let seed = 7;
    const uniform = (): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed + 0.5) / 0x1_0000_0000;
    };
    const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    const sample = (n: number, mean: number, deviation: number): number[] => Array.from({ length: n }, () => mean + deviation * normal());
    let covered = 0;
    for (let i = 0; i < 4000; i++) {
      const { interval } = differenceInMeans(momentsOf(sample(12, 1, 1)), momentsOf(sample(25, 3, 4)))!;
      if (interval.lower <= 2 && 2 <= interval.upper) covered++;
    }
    // 95 % of 4,000 with a binomial standard deviation of 0.34 points: four of them either way.
    expect(Math.abs(covered / 4000 - 0.95)).toBeLessThan(0.014);
  });
});

describe('difference in proportions', () => {
  // statsmodels 0.15 proportions_ztest and confint_proportions_2indep(compare='diff', method='newcomb').
  test.each([
    [100, 1000, 130, 1000, 2.102740605622114, 0.03548845046647471, 0.0020023487152830075, 0.05807048502220285],
    [3, 60, 0, 50, -1.6031511026549947, 0.10890129793272194, -0.1370051647634852, 0.02854702483316282],
    [5, 9, 7, 7, 2.0367003088692623, 0.04168008356620201, 0.007506094587957701, 0.733348706504507],
  ])('%d of %d against %d of %d', (x1, n1, x2, n2, z, p, lower, upper) => {
    const result = differenceInProportions({ successes: x1, n: n1 }, { successes: x2, n: n2 })!;
    expectClose(result.statistic, z);
    expectClose(result.pValue, p);
    expectClose(result.interval.lower, lower, 1e-10);
    expectClose(result.interval.upper, upper, 1e-10);
  });

  test('empty arms have no difference, more successes than trials are refused', () => {
    expect(differenceInProportions({ successes: 0, n: 0 }, { successes: 1, n: 2 })).toBeUndefined();
    expect(() => differenceInProportions({ successes: 3, n: 2 }, { successes: 1, n: 2 })).toThrow(RangeError);
  });
});

describe('sample ratio', () => {
  test('5,100 and 4,900 at even weights (scipy.stats.chisquare)', () => {
    const result = sampleRatioTest([
      { n: 5100, weight: 1 },
      { n: 4900, weight: 1 },
    ])!;
    expect(result.statistic).toBe(4);
    expectClose(result.pValue, 0.04550026389635857);
  });

  test('three arms of unequal weights (scipy.stats.chisquare)', () => {
    const result = sampleRatioTest([
      { n: 300, weight: 30 },
      { n: 200, weight: 20 },
      { n: 510, weight: 50 },
    ])!;
    expectClose(result.statistic, 0.09900990099009901);
    expectClose(result.pValue, 0.9517004467364502);
  });

  test('the far tail keeps its digits (scipy.stats.chi2.sf)', () => {
    expectClose(chiSquareUpperTail(150, 3), 2.6349139284880416e-32);
    expectClose(chiSquareUpperTail(1000, 2), 7.124576406741474e-218);
    expect(chiSquareUpperTail(0, 3)).toBe(1);
  });

  test('a unit in an arm of weight 0 is a mismatch; no units, or one arm, no answer', () => {
    expect(
      sampleRatioTest([
        { n: 9, weight: 1 },
        { n: 9, weight: 1 },
        { n: 1, weight: 0 },
      ])?.pValue,
    ).toBe(0);
    expect(
      sampleRatioTest([
        { n: 0, weight: 1 },
        { n: 0, weight: 1 },
      ]),
    ).toBeUndefined();
    expect(sampleRatioTest([{ n: 5, weight: 1 }])).toBeUndefined();
  });
});
