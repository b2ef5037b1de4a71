import { randomNumbers } from './random-numbers.js';

/** What an arm of a bandit has earned: rewards between 0 and 1, how many and their sum. */
export interface RewardedArm {
  readonly n: number;
  readonly sum: number;
}

export interface ThompsonOptions {
  readonly seed: number;
  /** More draws, finer shares. */
  readonly draws?: number;
  /** Share that every arm keeps at least, so that it goes on being learned about. */
  readonly floor?: number;
}

/**
 * Shares of the next units, one per arm: how often each arm is the best in draws from the posteriors Beta(1 + sum, 1 + n - sum) (Thompson 1933;
 * Agrawal and Goyal 2012), raised to the floor. For units that stick to an arm, whose shares change only now and then. The same seed and
 * rewards give the same shares.
 */
export function thompsonShares(arms: readonly RewardedArm[], { seed, draws = 2000, floor = 0 }: ThompsonOptions): number[] {
  if (!(floor >= 0 && floor * arms.length <= 1)) throw new RangeError(`a floor of ${floor} is too much for ${arms.length} arms`);
  const random = randomNumbers(seed);
  const wins = arms.map(() => 0);
  for (let draw = 0; draw < draws; draw++) {
    let [best, most] = [0, -1];
    for (const [index, { n, sum }] of arms.entries()) {
      const value = betaNumber(1 + sum, 1 + Math.max(0, n - sum), random);
      if (value > most) [best, most] = [index, value];
    }
    wins[best] = (wins[best] as number) + 1;
  }
  return wins.map((won) => floor + (1 - floor * arms.length) * (won / draws));
}

/** A draw from Beta(a, b), a and b at least 1, as two gammas. */
export function betaNumber(a: number, b: number, random: () => number): number {
  const one = gammaNumber(a, random);
  return one / (one + gammaNumber(b, random));
}

/** Marsaglia and Tsang 2000, for shapes of 1 and more. */
function gammaNumber(shape: number, random: () => number): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const v = (1 + c * normal) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * normal * normal + d - d * v + d * Math.log(v)) return d * v;
  }
}
