import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  bucketOfValue,
  countOf,
  differenceVerdict,
  distanceBounds,
  distanceVerdict,
  logEvidence,
  meanBounds,
  meansVerdict,
  mergedSums,
  NO_PAIRS,
  NO_SUMS,
  quantileBounds,
  quantileVerdict,
  randomNumbers,
  shareVerdict,
  thompsonShares,
  valuesOfBucket,
  withArmValue,
  withBounded,
  withoutBounded,
  type BoundedRange,
  type BoundedSums,
  type PairedArms,
} from './index.js';

const sumsOf = (values: readonly number[]): BoundedSums => values.reduce(withBounded, NO_SUMS);
const bounded = fc.double({ min: -1, max: 1, noNaN: true });
const ALPHAS = { failAlpha: 0.05, passAlpha: 0.05 };

/** How many of `runs` seeded runs end with true. */
function count(runs: number, run: (random: () => number) => boolean): number {
  let hits = 0;
  for (let seed = 1; seed <= runs; seed++) if (run(randomNumbers(seed * 7919))) hits++;
  return hits;
}

describe('sums of bounded values', () => {
  test('do not depend on the order, on merging, nor on what was taken back', () => {
    fc.assert(
      fc.property(fc.array(bounded, { maxLength: 40 }), fc.array(bounded, { maxLength: 40 }), (left, right) => {
        const whole = sumsOf([...left, ...right]);
        expect(sumsOf([...right, ...left].reverse())).toEqual(whole);
        expect(mergedSums(sumsOf(left), sumsOf(right))).toEqual(whole);
        expect(right.reduce(withoutBounded, whole)).toEqual(sumsOf(left));
      }),
    );
    expect(() => withBounded(NO_SUMS, 1.1)).toThrow(RangeError);
  });
});

describe('bounds of a mean', () => {
  test('enclose the sample mean, each side being where the evidence reaches the threshold', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 60 }), (values) => {
        const sums = sumsOf(values);
        const { mean, lower, upper } = meanBounds(sums, 0.05, 'share');
        expect(lower).toBeLessThanOrEqual(mean);
        expect(upper).toBeGreaterThanOrEqual(mean);
        const threshold = Math.log(20);
        expect(lower === 0 || Math.abs(logEvidence(sums, lower, 1, 'share') - threshold) < 1e-6).toBe(true);
        expect(upper === 1 || Math.abs(logEvidence(sums, upper, -1, 'share') - threshold) < 1e-6).toBe(true);
      }),
    );
  });

  test('say nothing without values', () => {
    expect(meanBounds(NO_SUMS, 0.05, 'difference')).toEqual({ mean: 0, lower: -1, upper: 1, level: 0.9 });
    expect(logEvidence(NO_SUMS, 0, 1, 'difference')).toBe(0);
  });

  // The step of a supermartingale: whatever was seen, the next value does not raise the evidence on average where the statement holds.
  test('rest on evidence that cannot be expected to grow while the statement holds', () => {
    const twoPoints = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }));
    fc.assert(
      fc.property(fc.array(bounded, { maxLength: 30 }), twoPoints, fc.constantFrom<1 | -1>(1, -1), (before, [a, b], direction) => {
        const at = (value: number): number => Math.round(value * 8192) / 8192;
        const [low, high] = [at(-a), at(b)];
        if (high - low === 0) return;
        const mean = (0 - low) / (high - low);
        const sums = sumsOf(before);
        const now = Math.exp(logEvidence(sums, 0, direction, 'difference'));
        const next =
          mean * Math.exp(logEvidence(withBounded(sums, high), 0, direction, 'difference')) +
          (1 - mean) * Math.exp(logEvidence(withBounded(sums, low), 0, direction, 'difference'));
        expect(next).toBeLessThanOrEqual(now * (1 + 1e-9));
      }),
    );
  });

  test.each<[string, BoundedRange, number, (random: () => number) => number]>([
    ['a rare event', 'share', 0.02, (random) => (random() < 0.02 ? 1 : 0)],
    ['an even value', 'share', 0.5, (random) => random()],
    ['a difference', 'difference', 0, (random) => (random() < 0.05 ? 1 : 0) - (random() < 0.05 ? 1 : 0)],
  ])('hold at all times together: %s', (_what, range, mean, draw) => {
    const missed = count(100, (random) => {
      let sums = NO_SUMS;
      for (let i = 0; i < 500; i++) {
        sums = withBounded(sums, draw(random));
        if (i % 5 === 4 && logEvidence(sums, mean, 1, range) >= Math.log(20)) return true;
      }
      return false;
    });
    expect(missed).toBeLessThanOrEqual(5);
  });
});

describe('two arms', () => {
  test('a difference is of values of both arms, each used once; the totals count all', () => {
    const arms = fc.array(fc.tuple(fc.constantFrom<'control' | 'treatment'>('control', 'treatment'), fc.constantFrom(0, 1)), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(arms, (values) => {
        const paired = values.reduce<PairedArms>((state, [arm, value]) => withArmValue(state, arm, value), NO_PAIRS);
        const ofArm = (arm: string): number => values.filter(([name]) => name === arm).length;
        expect([paired.control.n, paired.treatment.n]).toEqual([ofArm('control'), ofArm('treatment')]);
        expect(paired.differences.n).toBeLessThanOrEqual(Math.min(paired.control.n, paired.treatment.n));
        expect(paired.values.length).toBeLessThanOrEqual(64);
        expect(paired.waiting === null).toBe(paired.values.length === 0);
      }),
    );
  });

  test('arms of equal values are never told apart, whatever their shares', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.double({ min: 0, max: 1, noNaN: true }), (order, value) => {
        const paired = order.reduce<PairedArms>(
          (state, isTreatment) => withArmValue(state, isTreatment ? 'treatment' : 'control', value),
          NO_PAIRS,
        );
        expect(paired.differences.sum).toBeCloseTo(0, 6);
      }),
    );
  });
});

/** A canary: `share` of the requests go to the candidate, looked at after every one. */
function canary(
  random: () => number,
  share: number,
  rates: readonly [number, number],
  most: number,
): { verdict: string; requests: number } {
  let arms = NO_PAIRS;
  for (let requests = 1; requests <= most; requests++) {
    const isTreatment = random() < share;
    const before = arms.differences.n;
    arms = withArmValue(arms, isTreatment ? 'treatment' : 'control', random() < rates[isTreatment ? 1 : 0] ? 1 : 0);
    if (arms.differences.n === before) continue;
    if (logEvidence(arms.differences, 0, 1, 'difference') >= Math.log(20)) return { verdict: 'failed', requests };
  }
  return { verdict: 'undecided', requests: most };
}

describe('a canary that is looked at after every request', () => {
  test('is wrongly called worse in at most 5 % of the runs when it is equal', () => {
    expect(count(60, (random) => canary(random, 0.5, [0.05, 0.05], 2500).verdict === 'failed')).toBeLessThanOrEqual(3);
    expect(count(60, (random) => canary(random, 0.05, [0.05, 0.05], 6000).verdict === 'failed')).toBeLessThanOrEqual(3);
  });

  test('is called worse in at least 95 % of the runs when its error rate is 2 points higher', () => {
    expect(count(60, (random) => canary(random, 0.5, [0.05, 0.07], 40_000).verdict === 'failed')).toBeGreaterThanOrEqual(57);
  });

  test('is decided by fewer pairs of the same requests than by two arms', () => {
    const samples = (isPaired: boolean, random: () => number): number => {
      let sums = NO_SUMS;
      for (let pairs = 1; pairs <= 40_000; pairs++) {
        // Requests on which one model fails mostly fail the other: 4.5 of the 5 points are the request's own.
        const isHard = random() < 0.045;
        const control = isHard || random() < 0.005;
        const hard = isPaired ? isHard : random() < 0.045;
        const treatment = hard || random() < 0.026;
        sums = withBounded(sums, Number(treatment) - Number(control));
        if (logEvidence(sums, 0, 1, 'difference') >= Math.log(20)) return isPaired ? pairs : 2 * pairs;
      }
      return Infinity;
    };
    const median = (isPaired: boolean): number =>
      Array.from({ length: 21 }, (_, seed) => samples(isPaired, randomNumbers(seed + 1))).sort((a, b) => a - b)[10] as number;
    expect(median(true) * 3).toBeLessThan(median(false));
  });
});

describe('verdicts', () => {
  const differences = (n: number, up: number, down: number): BoundedSums => ({ n, sum: up - down, squares: up + down });

  test('a difference fails above 0, passes below the margin, and says how many more it needs', () => {
    const options = { ...ALPHAS, margin: 0.01 };
    expect(differenceVerdict(differences(5000, 400, 200), options)).toMatchObject({ verdict: 'failed', more: 0, estimate: 0.04 });
    expect(differenceVerdict(differences(40_000, 400, 400), options)).toMatchObject({ verdict: 'passed', more: 0, samples: 40_000 });
    const held = differenceVerdict(differences(1000, 20, 20), options);
    expect(held).toMatchObject({ verdict: 'undecided', estimate: 0, samples: 1000 });
    const grown = (1000 + held.more!) / 1000;
    expect(differenceVerdict(differences(1000 * grown, 20 * grown, 20 * grown), options).verdict).toBe('passed');
    expect(differenceVerdict(NO_SUMS, options)).toMatchObject({ verdict: 'undecided', more: null, estimate: null });
  });

  test('a share is held to its limit', () => {
    const options = { ...ALPHAS, limit: 0.05 };
    expect(shareVerdict({ n: 2000, sum: 20, squares: 20 }, options).verdict).toBe('passed');
    expect(shareVerdict({ n: 2000, sum: 200, squares: 200 }, options).verdict).toBe('failed');
    expect(shareVerdict({ n: 100, sum: 5, squares: 5 }, options).verdict).toBe('undecided');
  });

  test('two means', () => {
    const arm = (n: number, mean: number): BoundedSums => ({ n, sum: n * mean, squares: n * (mean * mean + 0.02) });
    const of = (control: BoundedSums, treatment: BoundedSums): string =>
      meansVerdict({ control, treatment }, { ...ALPHAS, margin: 0.05 }).verdict;
    expect([of(arm(3000, 0.2), arm(3000, 0.2)), of(arm(3000, 0.2), arm(3000, 0.3)), of(arm(50, 0.2), arm(50, 0.21))]).toEqual([
      'passed',
      'failed',
      'undecided',
    ]);
  });

  test('what passed is shown by the bounds it passed by', () => {
    // Of several gates each fails at a part of the level: bounds at that part may reach beyond the limit.
    const options = { failAlpha: 0.01, passAlpha: 0.05 };
    let most = { n: 0, sum: 0, squares: 0 };
    while (shareVerdict(most, { ...options, limit: 0.3 }).verdict !== 'passed') most = withBounded(most, 0);
    const passed = shareVerdict(most, { ...options, limit: 0.3 });
    expect(passed.upper).toBeLessThanOrEqual(0.3);
    expect(meanBounds(most, options.failAlpha, 'share').upper).toBeGreaterThan(0.3);
    const arms = { control: most, treatment: most };
    const margin = (passed.upper as number) + 0.001;
    for (const verdict of [meansVerdict(arms, { ...options, margin: 2 * margin }), differenceVerdict(most, { ...options, margin: 0.9 })])
      expect(verdict.verdict === 'passed' && (verdict.upper as number) <= 2 * margin + 0.9).toBe(true);
  });

  test('a quantile and a distance', () => {
    const histogram = (seed: number, n: number, scale: number): Map<number, number> => {
      const random = randomNumbers(seed);
      const counts = new Map<number, number>();
      for (let i = 0; i < n; i++) {
        const bucket = bucketOfValue(scale * (1 + random()));
        counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
      }
      return counts;
    };
    const slow = { control: histogram(1, 5000, 100), treatment: histogram(2, 5000, 150) };
    const same = { control: histogram(1, 5000, 100), treatment: histogram(2, 5000, 100) };
    const latency = { ...ALPHAS, quantile: 0.9, margin: 0.1 };
    expect([quantileVerdict(slow, latency).verdict, quantileVerdict(same, latency).verdict]).toEqual(['failed', 'passed']);
    expect(quantileVerdict({ control: new Map(), treatment: new Map() }, latency)).toMatchObject({ verdict: 'undecided', upper: null });
    const drift = { ...ALPHAS, limit: 0.12 };
    expect([distanceVerdict(slow, drift).verdict, distanceVerdict(same, drift).verdict]).toEqual(['failed', 'passed']);
    expect(distanceVerdict({ control: histogram(1, 50, 1), treatment: histogram(2, 50, 1) }, drift).verdict).toBe('undecided');
  });
});

describe('histograms', () => {
  test('buckets are in the order of the values and hold theirs', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e11, max: 1e11, noNaN: true }), fc.double({ min: -1e11, max: 1e11, noNaN: true }), (a, b) => {
        if (a <= b) expect(bucketOfValue(a)).toBeLessThanOrEqual(bucketOfValue(b));
        const { from, to } = valuesOfBucket(bucketOfValue(a));
        expect(a).toBeGreaterThanOrEqual(from - Math.abs(from) * 1e-9 - 1e-9);
        expect(a).toBeLessThanOrEqual(to + Math.abs(to) * 1e-9 + 1e-9);
      }),
    );
  });

  test('bounds of a quantile and of a distance hold at all times together', () => {
    const looks = [20, 50, 100, 200, 400, 800, 1600];
    const quantiles = count(150, (random) => {
      const counts = new Map<number, number>();
      for (let n = 1; n <= 1600; n++) {
        const bucket = bucketOfValue(-Math.log(1 - random()));
        counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
        if (!looks.includes(n)) continue;
        const { lower, upper } = quantileBounds(counts, 0.9, 0.05);
        if (!(lower <= Math.log(10) && Math.log(10) <= upper)) return true;
      }
      return false;
    });
    expect(quantiles).toBeLessThanOrEqual(7);
    const distances = count(60, (random) => {
      const arms = [new Map<number, number>(), new Map<number, number>()] as const;
      for (let n = 1; n <= 1600; n++) {
        for (const arm of arms) {
          const bucket = bucketOfValue(random());
          arm.set(bucket, (arm.get(bucket) ?? 0) + 1);
        }
        if (looks.includes(n) && distanceBounds(arms[0], arms[1], 0.05).lower > 0) return true;
      }
      return countOf(arms[0]) !== 1600;
    });
    expect(distances).toBeLessThanOrEqual(3);
  });
});

describe('Thompson sampling', () => {
  test('gives the same shares for the same seed, more to the better arm, and never less than the floor', () => {
    const arms = [
      { n: 1000, sum: 100 },
      { n: 1000, sum: 150 },
    ];
    const shares = thompsonShares(arms, { seed: 5, floor: 0.05 });
    expect(thompsonShares(arms, { seed: 5, floor: 0.05 })).toEqual(shares);
    expect(shares[1]).toBeGreaterThan(0.9);
    expect(shares[0]).toBeGreaterThanOrEqual(0.05);
    expect(shares[0]! + shares[1]!).toBeCloseTo(1, 12);
    expect(() => thompsonShares(arms, { seed: 1, floor: 0.6 })).toThrow(RangeError);
  });

  test('loses less than an even split', () => {
    const rates = [0.1, 0.14];
    const regret = (isBandit: boolean, seed: number): number => {
      const random = randomNumbers(seed);
      const arms = rates.map(() => ({ n: 0, sum: 0 }));
      let [shares, lost] = [[0.5, 0.5], 0];
      for (let i = 0; i < 3000; i++) {
        const arm = random() < shares[0]! ? 0 : 1;
        lost += Math.max(...rates) - rates[arm]!;
        arms[arm]!.n++;
        arms[arm]!.sum += random() < rates[arm]! ? 1 : 0;
        if (isBandit && i % 100 === 99) shares = thompsonShares(arms, { seed: seed * 1000 + i, draws: 100, floor: 0.05 });
      }
      return lost;
    };
    const total = (isBandit: boolean): number =>
      Array.from({ length: 12 }, (_, seed) => regret(isBandit, seed + 1)).reduce((a, b) => a + b);
    expect(total(true)).toBeLessThan(0.6 * total(false));
  });
});
