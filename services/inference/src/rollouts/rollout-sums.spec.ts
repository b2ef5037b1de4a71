import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TOPICS } from '@millrace/contracts';
import type { LabelRecorded } from '../domain/prediction/label.js';
import type { PredictionMade, ShadowAnswered } from '../domain/prediction/prediction.js';
import { judgeGates } from './judge-gates.js';
import { planOf } from './rollout-plan.js';
import { RolloutSums } from './rollout-sums.js';

const NAME = 'delay-v2';
const PLAN = planOf(NAME, {
  ...{ deployment: 'delay', candidate: 'models:/delay/2', strategy: 'canary', steps: ['5%', { share: '50%', pause: '10m', samples: 7 }] },
  gates: [{ metric: 'error_rate' }, { metric: 'latency_p95' }, { metric: 'prediction_drift' }, { metric: 'brier', label: 'late' }],
});

const predictionOf = (id: number, change: Partial<PredictionMade> = {}): PredictionMade => ({
  ...{ predictionId: `p${id}`, requestId: null, deployment: 'delay', model: 'delay', version: 1, digest: null, experiment: null },
  ...{
    variant: id % 3 === 0 ? 'candidate' : 'primary',
    rollout: NAME,
    featureService: null,
    featureTime: 1000 + id,
    featurePositions: null,
  },
  ...{ featureVersions: null, batchRows: 1, latencyMicros: 100 + (id % 7) * 31, error: null, traceparent: null },
  rows: [
    { row: 0, unit: `u${id}`, entity: null, request: null, features: null, statuses: null, inputs: null, outputs: { p: (id % 10) / 10 } },
  ],
  ...(id % 11 === 5 ? { error: { code: 'MR_INFERENCE_FAILED', message: '' } } : {}),
  ...change,
});
const labelOf = (id: number, value: number | boolean | string, time: number, byUnit: boolean): LabelRecorded => ({
  ...{ deployment: 'delay', name: 'late', row: 0, value, time },
  ...(byUnit ? { predictionId: null, unit: `u${id}`, predictedAt: 1000 + id } : { predictionId: `p${id}`, unit: null, predictedAt: null }),
});

type Fact = { readonly topic: string; readonly partition: number; readonly offset: number; readonly fold: (sums: RolloutSums) => void };

/** The facts of `ids`, in four partitions of each topic, with repeats. */
function factsOf(ids: readonly number[], labels: readonly LabelRecorded[]): Fact[] {
  const offsets = new Map<string, number>();
  const at = (topic: string, partition: number): { topic: string; partition: number; offset: number } => {
    const key = `${topic}/${partition}`;
    const offset = offsets.get(key) ?? 0;
    offsets.set(key, offset + 1);
    return { topic, partition, offset };
  };
  const predictions = [...ids, ...ids.slice(0, 3)].map((id): Fact => {
    const where = at(TOPICS.predictions.name, id % 4);
    return { ...where, fold: (sums) => sums.predicted(predictionOf(id), { id: `p${id}`, ...where }) };
  });
  return [
    ...predictions,
    ...labels.map((label, index): Fact => {
      const where = at(TOPICS.labels.name, index % 4);
      return { ...where, fold: (sums) => sums.labelled(label, { id: `l${index}`, ...where }) };
    }),
  ];
}

describe('the sums of a rollout', () => {
  test('depend on what was folded of each partition, not on how partitions and topics followed one another, nor on repeats', () => {
    const ids = fc.uniqueArray(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(ids, fc.infiniteStream(fc.integer({ min: 0, max: 1_000_000 })), (all, random) => {
        const labels = all.flatMap((id) => [labelOf(id, id % 2, 10 + (id % 5), id % 4 === 0), labelOf(id, 1, 12, id % 4 === 0)]);
        const facts = factsOf(all, labels);
        const inOrder = new RolloutSums(NAME, 1, PLAN, {});
        for (const fact of facts) fact.fold(inOrder);
        // Any interleaving that keeps the order in each partition.
        const queues = new Map<string, Fact[]>();
        for (const fact of facts) {
          const key = `${fact.topic}/${fact.partition}`;
          queues.set(key, [...(queues.get(key) ?? []), fact]);
        }
        const mixed = new RolloutSums(NAME, 1, PLAN, {});
        while (queues.size > 0) {
          const keys = [...queues.keys()];
          const key = keys[(random.next().value as number) % keys.length]!;
          const queue = queues.get(key)!;
          const fact = queue.shift()!;
          fact.fold(mixed);
          // Delivered again after a restart of the reader.
          fact.fold(mixed);
          if (queue.length === 0) queues.delete(key);
        }
        expect(judgeGates(PLAN, mixed, mixed)).toEqual(judgeGates(PLAN, inOrder, inOrder));
        expect(mixed.requests.primary + mixed.requests.candidate).toBe(all.length);
      }),
      { numRuns: 30 },
    );
  });

  test('count requests of this rollout that were the model’s to answer', () => {
    const sums = new RolloutSums(NAME, 1, PLAN, { [`${TOPICS.predictions.name}/0`]: 1 });
    const fold = (offset: number, data: PredictionMade): void =>
      sums.predicted(data, { id: `i${offset}`, topic: TOPICS.predictions.name, partition: 0, offset });
    fold(0, predictionOf(1));
    fold(1, predictionOf(3));
    fold(2, predictionOf(2, { rollout: 'another' }));
    fold(3, predictionOf(4, { variant: null }));
    fold(4, predictionOf(6, { error: { code: 'MR_INFERENCE_INVALID', message: 'a wrong shape' } }));
    fold(5, predictionOf(9, { error: { code: 'MR_INFERENCE_DEADLINE', message: '' } }));
    expect(sums.requests).toEqual({ primary: 0, candidate: 2 });
    expect(sums.failures('candidate')).toBe(1);
    expect(sums.positions).toEqual({ [`${TOPICS.predictions.name}/0`]: 6 });
  });

  test('count an event of a stream once, however much else was asked since and whichever variant answers it again', () => {
    const sums = new RolloutSums(NAME, 1, PLAN, {});
    let offset = 0;
    const fold = (id: number, change: Partial<PredictionMade>): void => {
      const data = predictionOf(id, change);
      const where = { topic: TOPICS.predictions.name, partition: 0, offset: offset++ };
      sums.predicted(data, { id: `${data.predictionId}:${data.variant}`, ...where });
    };
    const primary = { variant: 'primary', stream: 'due', error: null } as const;
    const again = { ...primary, mayRepeat: true } as const;
    fold(1, primary);
    for (let id = 100_000; id < 120_001; id++) fold(id, { variant: 'candidate', error: null });
    fold(1, again);
    fold(1, { ...again, variant: 'candidate' });
    expect(sums.requests).toEqual({ primary: 1, candidate: 20_001 });
    // Tried, and answered when it was tried again.
    fold(2, { ...primary, variant: 'candidate', error: { code: 'MR_INFERENCE_CRASHED', message: '' } });
    fold(2, again);
    expect([sums.requests, sums.failures('candidate')]).toEqual([{ primary: 2, candidate: 20_002 }, 1]);
  });

  test('count what was mirrored of a stream once, however much else was mirrored since', () => {
    const sums = new RolloutSums(NAME, 1, PLAN, {});
    let offset = 0;
    const mirror = (id: number, change: Partial<ShadowAnswered> = {}): void => {
      const side = { latencyMicros: 100, error: null };
      const data = {
        rollout: NAME,
        run: 1,
        deployment: 'delay',
        predictionId: `p${id}`,
        featureTime: null,
        primary: side,
        candidate: side,
      };
      sums.mirrored({ ...data, rows: [], ...change }, { id: `p${id}`, topic: TOPICS.shadows.name, partition: 0, offset: offset++ });
    };
    mirror(1, { stream: 'due' });
    for (let id = 100_000; id < 120_001; id++) mirror(id);
    mirror(1, { stream: 'due', mayRepeat: true });
    expect(sums.requests).toEqual({ primary: 20_002, candidate: 20_002 });
  });

  test('count what the versions have shown that the run is about; one that does not know them counts all', () => {
    const arms = { primary: { model: 'delay', version: 1 }, candidate: { model: 'delay', version: 2 } };
    const filled = (sums: RolloutSums): RolloutSums => {
      const facts = [
        [3, 1],
        [6, 2],
        [9, 3],
        [1, 1],
        [2, 2],
      ] as const;
      for (const [offset, [id, version]] of facts.entries())
        sums.predicted(predictionOf(id, { version }), { id: `p${id}`, topic: TOPICS.predictions.name, partition: 0, offset });
      sums.labelled(labelOf(6, 1, 5, false), { id: 'l', topic: TOPICS.labels.name, partition: 0, offset: 0 });
      return sums;
    };
    expect(filled(new RolloutSums(NAME, 1, PLAN, {}, arms))).toMatchObject({
      requests: { primary: 1, candidate: 1 },
      answered: { candidate: 1 },
    });
    expect(filled(new RolloutSums(NAME, 1, PLAN, {}))).toMatchObject({ requests: { primary: 2, candidate: 3 } });
  });

  test('leave out labels of other deployments, by id and by unit and time', () => {
    const sums = new RolloutSums(NAME, 1, PLAN, {});
    sums.predicted(predictionOf(3), { id: 'p3', topic: TOPICS.predictions.name, partition: 3, offset: 0 });
    for (const [offset, byUnit] of [true, false].entries())
      sums.labelled(
        { ...labelOf(3, 1, 5, byUnit), deployment: 'another' },
        { id: `l${offset}`, topic: TOPICS.labels.name, partition: 0, offset },
      );
    expect(sums.labels.totals.size).toBe(0);
    sums.labelled(labelOf(3, 1, 5, true), { id: 'l', topic: TOPICS.labels.name, partition: 1, offset: 0 });
    expect(sums.labels.totals.get('late')?.candidate.get('brier')?.n).toBe(1);
  });

  test('a later truth takes the place of an earlier one; what is no truth value counts for nothing', () => {
    const sums = new RolloutSums(NAME, 1, PLAN, {});
    const label = (offset: number, value: number | string, time: number): void =>
      sums.labelled(labelOf(3, value, time, false), { id: `l${offset}`, topic: TOPICS.labels.name, partition: 0, offset });
    sums.predicted(predictionOf(3), { id: 'p3', topic: TOPICS.predictions.name, partition: 3, offset: 0 });
    label(0, 1, 100);
    label(1, 0, 200);
    label(2, 1, 150);
    label(3, 'late', 300);
    label(4, 7, 300);
    expect(sums.labels.totals.get('late')?.candidate.get('brier')?.sum).toBeCloseTo(0.09, 3);
    expect(sums.labels.totals.get('late')?.candidate.get('brier')?.n).toBe(1);
    expect(sums.labels.unfit).toEqual(new Map([['late', 2]]));
  });

  test('mirrored requests are pairs, also of their labels', () => {
    const plan = planOf(NAME, {
      ...{ deployment: 'delay', candidate: 'models:/delay/2', strategy: 'shadow' },
      gates: [{ metric: 'error_rate' }, { metric: 'disagreement', tolerance: 0.1 }, { metric: 'brier', label: 'late' }],
    });
    expect(plan).toMatchObject({ mirror: 1, promotion: 'manual', steps: [{ share: 0 }] });
    const sums = new RolloutSums(NAME, 2, plan, {});
    const shadow = (offset: number, run: number, primary: number, candidate: number | null): void => {
      const data: ShadowAnswered = {
        ...{ rollout: NAME, run, deployment: 'delay', predictionId: `p${offset}`, featureTime: null },
        primary: { latencyMicros: 100, error: null },
        candidate: { latencyMicros: 120, error: candidate === null ? 'MR_INFERENCE_FAILED' : null },
        rows: candidate === null ? [] : [{ row: 0, unit: null, primary, candidate }],
      };
      sums.mirrored(data, { id: `s${offset}`, topic: TOPICS.shadows.name, partition: 0, offset });
    };
    shadow(0, 2, 0.5, 0.55);
    shadow(1, 2, 0.5, 0.75);
    shadow(2, 2, 0.5, null);
    shadow(3, 1, 0.5, 0.9);
    sums.labelled(labelOf(1, true, 5, false), { id: 'l', topic: TOPICS.labels.name, partition: 0, offset: 0 });
    const { gates, requests } = judgeGates(plan, sums, sums);
    expect(requests).toEqual({ primary: 3, candidate: 3 });
    expect(gates.map(({ numbers }) => numbers)).toMatchObject([
      { n: 3, sum: 1 },
      { n: 2, sum: 1 },
      { n: 1, sum: -0.1875 },
    ]);
  });

  test('a step is passed by what was shown in it, and failed by all that the run has shown', () => {
    const plan = planOf(NAME, {
      deployment: 'd',
      candidate: 'models:/m/2',
      strategy: 'canary',
      steps: ['5%'],
      gates: [{ metric: 'error_rate', margin: 0.3 }],
    });
    const filled = (failing: boolean, count: number): RolloutSums => {
      const sums = new RolloutSums(NAME, 1, plan, {});
      for (let offset = 0; offset < count; offset++) {
        const variant = offset % 2 === 0 ? 'candidate' : 'primary';
        const error = failing && variant === 'candidate' ? { code: 'MR_INFERENCE_FAILED', message: '' } : null;
        sums.predicted(predictionOf(offset, { variant, error }), { id: `${offset}`, topic: 't', partition: 0, offset });
      }
      return sums;
    };
    const verdict = (run: RolloutSums, step: RolloutSums): string | undefined => judgeGates(plan, run, step).gates[0]?.verdict;
    expect(verdict(filled(false, 200), filled(false, 200))).toBe('passed');
    expect(verdict(filled(false, 200), filled(false, 4))).toBe('undecided');
    expect(verdict(filled(true, 200), filled(false, 200))).toBe('failed');
    expect(verdict(filled(false, 200), filled(true, 200))).toBe('undecided');
  });
});
