import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TOPICS } from '@millrace/contracts';
import type { RolloutSpec } from '@millrace/resources';
import { judgeGates } from './judge-gates.js';
import { planOf } from './rollout-plan.js';
import { RolloutSums } from './rollout-sums.js';

const NAME = 'delay-v2';
const SPEC: RolloutSpec = { deployment: 'delay', candidate: 'models:/delay/2', strategy: 'canary', steps: ['50%'] };
const PLAN = planOf(NAME, {
  ...SPEC,
  gates: [
    { metric: 'outcome_proportion', outcome: 'paid', within: '1s', margin: 0.2 },
    { metric: 'outcome_mean', outcome: 'refunded', experiment: 'checkout', range: [0, 50], better: 'less', within: '1s' },
  ],
});
const PREDICTION = {
  ...{ predictionId: 'p', requestId: null, deployment: 'delay', model: 'delay', version: 1, digest: null, experiment: null, rows: [] },
  ...{ featureService: null, featureTime: null, featurePositions: null, featureVersions: null, batchRows: 1, latencyMicros: 9 },
  ...{ error: null, traceparent: null, rollout: NAME, variant: 'primary' },
};

interface Fact {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly fold: (sums: RolloutSums) => void;
}

/** Facts of each topic in order, with their offsets. */
class Told {
  readonly facts: Fact[] = [];
  readonly #offsets = new Map<string, number>();

  exposed(unit: string, variant: string, time: number, change: object = {}, partition = 0): this {
    return this.#tell(TOPICS.exposures.name, partition, (sums, at) =>
      sums.exposed({ experiment: NAME, unit, variant, deployment: 'delay', ...change }, at, time),
    );
  }

  measured(unit: string, value: number, time: number, change: object = {}, partition = 0): this {
    return this.#tell(TOPICS.outcomes.name, partition, (sums, at) =>
      sums.measured({ experiment: NAME, unit, metric: 'paid', value, ...change }, at, time),
    );
  }

  refunded(unit: string, value: number, time: number, partition = 0): this {
    return this.measured(unit, value, time, { experiment: 'checkout', metric: 'refunded' }, partition);
  }

  requested(time: number): this {
    return this.#tell(TOPICS.predictions.name, 0, (sums, at) => sums.predicted(PREDICTION, at, time));
  }

  #tell(topic: string, partition: number, fold: (sums: RolloutSums, at: Parameters<RolloutSums['predicted']>[1]) => void): this {
    const key = `${topic}/${partition}`;
    const offset = this.#offsets.get(key) ?? 0;
    this.#offsets.set(key, offset + 1);
    const at = { id: `${key}/${offset}`, topic, partition, offset };
    this.facts.push({ topic, partition, offset, fold: (sums) => fold(sums, at) });
    return this;
  }
}

function numbersOf(told: Told): Record<string, number>[] {
  const sums = new RolloutSums(NAME, 1, PLAN, {});
  for (const { fold } of told.facts) fold(sums);
  return judgeGates(PLAN, sums, sums).gates.map(({ numbers }) => ({ ...numbers }));
}

describe('the outcomes of a rollout’s units', () => {
  test('count within their time, and only when later requests and later outcomes have come', () => {
    const told = new Told().exposed('a', 'primary', 1000).exposed('b', 'candidate', 1000).measured('a', 3, 1500).requested(5000);
    expect(numbersOf(told)[0]).toMatchObject({ n: 0, waiting: 2 });
    // An outcome of somebody else says that the producer has come so far.
    told.measured('stranger', 1, 2000);
    expect(numbersOf(told)[0]).toMatchObject({ n: 1, sum: 1, waiting: 0, 'primary.n': 1, 'primary.sum': 0, 'candidate.sum': 1 });
    // Too late, too early, of another metric, and of another experiment.
    told.measured('b', 1, 2000).measured('b', 1, 999).measured('b', 1, 1500, { metric: 'seen' });
    told.measured('b', 1, 1500, { experiment: 'checkout' });
    expect(numbersOf(told)[0]).toMatchObject({ sum: 1 });
    // Of its time, and told late: the unit had it after all.
    expect(numbersOf(told.measured('b', 1, 1999))[0]).toMatchObject({ n: 1, sum: 0, 'candidate.sum': 0 });
  });

  test('a wrong clock, far ahead, ends nobody’s time', () => {
    const told = new Told().exposed('a', 'primary', 1000).exposed('b', 'candidate', 1000).requested(1100).measured('x', 1, 9e12);
    expect(numbersOf(told)[0]).toMatchObject({ waiting: 2 });
  });

  test('a mean is of the units’ sums, cut at the ends of the range; where less is better it is the loss', () => {
    const told = new Told().exposed('a', 'primary', 1000).exposed('b', 'candidate', 1000).requested(5000);
    told.refunded('a', 10, 1100).refunded('a', 15, 1200).refunded('b', 70, 1300).refunded('b', -10, 1300).refunded('x', 0, 9000);
    expect(numbersOf(told)[1]).toMatchObject({ n: 1, 'primary.sum': 0.5, 'candidate.sum': 1, sum: 0.5 });
  });

  test('units count once, where they were first, and only those that this deployment exposed', () => {
    const told = new Told().exposed('a', 'primary', 1000).exposed('a', 'candidate', 1200).exposed('b', 'candidate', 1000);
    told.exposed('c', 'candidate', 1000, { deployment: null }).exposed('d', 'candidate', 1000, { experiment: 'checkout' });
    told.requested(9000).measured('x', 1, 9000);
    expect(numbersOf(told)[0]).toMatchObject({ 'primary.n': 1, 'candidate.n': 1 });
  });

  test('depend on what was folded of each partition, not on how the topics followed one another', () => {
    const outcome = fc.record({
      unit: fc.integer({ min: 0, max: 30 }),
      value: fc.constantFrom(0, 1, 17.3, -4),
      at: fc.integer({ min: 0, max: 4000 }),
    });
    const exposure = fc.record({
      unit: fc.integer({ min: 0, max: 30 }),
      isCandidate: fc.boolean(),
      at: fc.integer({ min: 0, max: 3000 }),
    });
    fc.assert(
      fc.property(
        fc.array(exposure, { maxLength: 60 }),
        fc.array(outcome, { maxLength: 60 }),
        fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 20 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 1_000_000 })),
        (exposures, outcomes, requests, random) => {
          const told = new Told();
          for (const { unit, isCandidate, at } of exposures)
            told.exposed(`u${unit}`, isCandidate ? 'candidate' : 'primary', at, {}, unit % 4);
          for (const { unit, value, at } of outcomes)
            told.measured(`u${unit}`, value, at, {}, unit % 4).refunded(`u${unit}`, value, at, unit % 3);
          for (const time of requests) told.requested(time);
          const queues = new Map<string, Fact[]>();
          for (const fact of told.facts) {
            const key = `${fact.topic}/${fact.partition}`;
            queues.set(key, [...(queues.get(key) ?? []), fact]);
          }
          const mixed = new RolloutSums(NAME, 1, PLAN, {});
          while (queues.size > 0) {
            const keys = [...queues.keys()];
            const key = keys[(random.next().value as number) % keys.length] as string;
            const queue = queues.get(key) as Fact[];
            const fact = queue.shift() as Fact;
            fact.fold(mixed);
            fact.fold(mixed);
            if (queue.length === 0) queues.delete(key);
          }
          expect(judgeGates(PLAN, mixed, mixed).gates.map(({ numbers }) => ({ ...numbers }))).toEqual(numbersOf(told));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('pass and fail as the candidate’s units pay', () => {
    const verdict = (candidatePays: (index: number) => number): string | undefined => {
      const told = new Told();
      for (let index = 0; index < 800; index++) {
        const unit = `u${index}`;
        const isCandidate = index % 2 === 0;
        told.exposed(unit, isCandidate ? 'candidate' : 'primary', 1000 + index);
        told.measured(unit, isCandidate ? candidatePays(index) : Number(index % 3 > 0), 1001 + index);
      }
      told.requested(9000).measured('x', 1, 9000);
      const sums = new RolloutSums(NAME, 1, PLAN, {});
      for (const { fold } of told.facts) fold(sums);
      return judgeGates(PLAN, sums, sums).gates[0]?.verdict;
    };
    expect(verdict((index) => Number(index % 3 > 0))).toBe('passed');
    expect(verdict((index) => Number(index % 9 === 0))).toBe('failed');
  });
});
