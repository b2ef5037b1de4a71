// npm run bench -- rollouts [--runs N]
// What the sequential tests of rollouts promise, by simulation: 1,000 seeded runs of each unless --runs says otherwise (at least 1000).
import { logEvidence, NO_PAIRS, NO_SUMS, randomNumbers, thompsonShares, withArmValue, withBounded } from '@millrace/statistics';
import { median, runAlone, type BenchOptions, type BenchResult } from '../bench-result.js';

const ALPHA = 0.05;
const THRESHOLD = -Math.log(ALPHA);
const EQUAL = [0.05, 0.05] as const;
const WORSE = [0.05, 0.07] as const;
const MOST_REQUESTS = 20_000;

interface Canary {
  readonly isWorse: boolean;
  readonly requests: number;
  readonly candidateRequests: number;
}

/** Requests that fail at the arms' rates, looked at after every one of them, until the candidate is called worse. */
function canary(seed: number, share: number, rates: readonly [number, number], most: number): Canary {
  const random = randomNumbers(seed);
  let arms = NO_PAIRS;
  for (let requests = 1; requests <= most; requests++) {
    const isCandidate = random() < share;
    const seen = arms.differences.n;
    arms = withArmValue(arms, isCandidate ? 'treatment' : 'control', random() < rates[isCandidate ? 1 : 0] ? 1 : 0);
    if (arms.differences.n === seen || logEvidence(arms.differences, 0, 1, 'difference') < THRESHOLD) continue;
    return { isWorse: true, requests, candidateRequests: arms.treatment.n };
  }
  return { isWorse: false, requests: most, candidateRequests: arms.treatment.n };
}

/** Both models answer the same requests; 4.5 of the 5 points of errors lie in the request, as they do where inputs are bad. */
function pairs(seed: number, isPaired: boolean): number {
  const random = randomNumbers(seed);
  let sums = NO_SUMS;
  for (let n = 1; n <= MOST_REQUESTS * 10; n++) {
    const isHard = random() < 0.045;
    const control = isHard || random() < 0.0052;
    const treatment = (isPaired ? isHard : random() < 0.045) || random() < 0.0262;
    sums = withBounded(sums, Number(treatment) - Number(control));
    if (logEvidence(sums, 0, 1, 'difference') >= THRESHOLD) return isPaired ? n : 2 * n;
  }
  return Infinity;
}

const REWARDS = [0.1, 0.13] as const;
const BANDIT_REQUESTS = 10_000;

/** Reward lost against always taking the better arm. A bandit's shares change after every 100 rewards, as a rollout's do. */
function regret(seed: number, isBandit: boolean): number {
  const random = randomNumbers(seed);
  const arms = REWARDS.map(() => ({ n: 0, sum: 0 }));
  let shares = [0.5, 0.5];
  let lost = 0;
  for (let i = 1; i <= BANDIT_REQUESTS; i++) {
    const index = random() < (shares[0] as number) ? 0 : 1;
    const arm = arms[index] as { n: number; sum: number };
    lost += Math.max(...REWARDS) - REWARDS[index];
    arm.n++;
    arm.sum += random() < REWARDS[index] ? 1 : 0;
    if (isBandit && i % 100 === 0) shares = thompsonShares(arms, { seed: seed * 7919 + i, draws: 500, floor: 0.02 });
  }
  return lost;
}

export async function run({ runs = 1000 }: BenchOptions = {}): Promise<BenchResult[]> {
  const seeds = Array.from({ length: runs }, (_, index) => index + 1);
  const results: BenchResult[] = [];
  const add = (result: Omit<BenchResult, 'name'>): void => void results.push({ name: 'rollouts', ...result });
  for (const share of [0.05, 0.5]) {
    const at = `${share * 100} % canary, ${runs} seeded runs, looked at after every request`;
    const equal = seeds.map((seed) => canary(seed, share, EQUAL, MOST_REQUESTS));
    const wrong = (100 * equal.filter(({ isWorse }) => isWorse).length) / runs;
    add({
      metric: `equal candidate (5 % errors) wrongly rolled back in ${MOST_REQUESTS} requests, ${at}`,
      value: wrong,
      unit: '%',
      target: '<= 5',
      pass: wrong <= 5,
    });
    const worse = seeds.map((seed) => canary(seed, share, WORSE, MOST_REQUESTS * 20));
    const found = (100 * worse.filter(({ isWorse }) => isWorse).length) / runs;
    add({
      metric: `candidate 2 points worse (7 % against 5 %) rolled back, ${at}`,
      value: found,
      unit: '%',
      target: '>= 95',
      pass: found >= 95,
    });
    add({
      metric: `median requests of the candidate until it is rolled back, ${at}`,
      value: median(worse.map((one) => one.candidateRequests)),
      unit: 'requests',
      pass: true,
    });
    add({
      metric: `median requests in all until it is rolled back, ${at}`,
      value: median(worse.map((one) => one.requests)),
      unit: 'requests',
      pass: true,
    });
  }
  const paired = median(seeds.map((seed) => pairs(seed, true)));
  const unpaired = median(seeds.map((seed) => pairs(seed, false)));
  add({
    ...{
      metric: `median requests until a candidate 2 points worse is found in shadow pairs, ${runs} seeded runs`,
      value: paired,
      unit: 'requests',
    },
    ...{ peer: 'two arms', peerValue: unpaired, ratio: unpaired / paired, target: 'fewer than two arms', pass: paired < unpaired },
  });
  const bandit = median(seeds.map((seed) => regret(seed, true)));
  const uniform = median(seeds.map((seed) => regret(seed, false)));
  add({
    ...{
      metric: `median regret of Thompson sampling over ${BANDIT_REQUESTS} requests (10 % against 13 %), ${runs} seeded runs`,
      value: bandit,
      unit: 'rewards',
    },
    ...{
      peer: 'uniform A/B on the same seeds',
      peerValue: uniform,
      ratio: uniform / bandit,
      target: 'below uniform',
      pass: bandit < uniform,
    },
  });
  return results;
}

await runAlone(import.meta.url, () => run());
