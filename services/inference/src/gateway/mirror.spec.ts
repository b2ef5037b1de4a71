import { describe, expect, test } from '@jest/globals';
import type { AskedByStream, ShadowAnswered } from '../domain/prediction/prediction.js';
import { Refusal } from '../domain/refusal.js';
import type { Tensor, TensorSpec } from '../domain/tensor/tensor.js';
import type { ServedModel } from '../models/served-model.js';
import { Mirror, type MirrorOutcome } from './mirror.js';

const tensor = (value: number): Tensor => ({ name: 'p', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(value) });

/** A mirror on time that a test moves, with a primary and a candidate whose queues it decides. */
class Scene {
  time = 0;
  queued = 0;
  leases = 0;
  runs = 0;
  isLoaded = true;
  failure: Error | undefined;
  readonly facts: ShadowAnswered[] = [];
  readonly outcomes: MirrorOutcome[] = [];
  readonly #timers: { at: number; run: () => void }[] = [];
  share = 1;
  computeMs = 40;
  /** Those of the primary when a test names none. */
  readonly candidateOutputs: TensorSpec[] = [];
  readonly outputs: TensorSpec[] = [{ name: 'p', datatype: 'FP32', shape: [-1, 1] }];
  readonly primary = {
    version: { name: 'delay', version: 1 },
    outputs: this.outputs,
    queue: { ...{ queuedRows: 0 } },
  } as unknown as ServedModel;
  readonly #candidate = {
    version: { name: 'delay', version: 2 },
    lease: () => {
      this.leases++;
      return () => this.leases--;
    },
    queue: {
      run: async () => {
        this.runs++;
        this.time += this.computeMs;
        if (this.failure) throw this.failure;
        return { outputs: [tensor(0.75)], batchRows: 1, queuedMs: 0, computeMs: this.computeMs };
      },
    },
  } as unknown as ServedModel;
  readonly mirror = new Mirror({
    targetOf: (deployment) =>
      deployment === 'delay' ? { rollout: 'r', run: 3, candidate: 'models:/delay/2', share: this.share } : undefined,
    modelOf: () => (this.isLoaded ? this.#candidate : undefined),
    answered: (fact) => void this.facts.push(fact),
    observed: (_deployment, outcome) => void this.outcomes.push(outcome),
    scheduler: {
      after: (milliseconds, run) => {
        this.#timers.push({ at: this.time + milliseconds, run });
        return () => undefined;
      },
    },
    elapsed: () => this.time,
  });

  constructor() {
    Object.defineProperty(this.primary.queue, 'queuedRows', { get: () => this.queued });
    Object.defineProperty(this.#candidate, 'outputs', {
      get: () => (this.candidateOutputs.length > 0 ? this.candidateOutputs : this.outputs),
    });
  }

  offer(id: string, inputsFor: () => readonly Tensor[] = () => [tensor(1)], askedBy?: AskedByStream): void {
    this.mirror.offer({
      ...{
        deployment: 'delay',
        predictionId: id,
        featureTime: null,
        units: ['u'],
        primary: this.primary,
        outputs: [tensor(0.5)],
        computeMs: 7,
        askedBy,
      },
      inputsFor,
    });
  }

  /** Lets what is due run, timers included, until nothing is left. */
  async settle(most = Infinity): Promise<void> {
    for (let rounds = 0; rounds < 5000; rounds++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const [next] = this.#timers;
      if (!next) {
        if (rounds > 3) return;
        continue;
      }
      if (next.at > most) return;
      this.#timers.shift();
      this.time = Math.max(this.time, next.at);
      next.run();
    }
  }
}

describe('a mirror', () => {
  test('tells what the candidate would have answered beside what the primary did', async () => {
    const scene = new Scene();
    scene.offer('p1');
    // Nothing of it happens in the turn of the caller's answer.
    expect(scene.runs).toBe(0);
    await scene.settle();
    expect(scene.facts).toEqual([
      {
        ...{ rollout: 'r', run: 3, deployment: 'delay', predictionId: 'p1', featureTime: null },
        primary: { latencyMicros: 7000, error: null, model: 'delay', version: 1 },
        candidate: { latencyMicros: 40_000, error: null, model: 'delay', version: 2 },
        rows: [{ row: 0, unit: 'u', primary: 0.5, candidate: 0.75 }],
      },
    ]);
    expect([scene.outcomes, scene.leases]).toEqual([['answered'], 0]);
  });

  test('says of a stream’s requests what their predictions say: that they may be repeats', async () => {
    const scene = new Scene();
    scene.offer('p1', undefined, { stream: 'due', mayRepeat: true });
    scene.offer('p2');
    await scene.settle();
    expect(scene.facts.map(({ stream, mayRepeat }) => [stream, mayRepeat])).toEqual([
      ['due', true],
      [undefined, undefined],
    ]);
  });

  test('waits while the primary has work, and drops what grows old', async () => {
    const scene = new Scene();
    scene.queued = 5;
    scene.offer('p1');
    await scene.settle(500);
    expect(scene.runs).toBe(0);
    await scene.settle();
    expect([scene.runs, scene.outcomes]).toEqual([0, ['dropped']]);
  });

  test('holds no more than it can, and rests as long as the candidate took', async () => {
    const scene = new Scene();
    for (let index = 0; index < 40; index++) scene.offer(`p${index}`);
    expect(scene.outcomes).toEqual(Array.from({ length: 8 }, () => 'dropped'));
    await scene.settle();
    // 40 ms of work and 40 ms of rest each, and after a second the rest is stale.
    expect(scene.runs).toBe(13);
    expect(scene.outcomes.length).toBe(40);
  });

  test('a candidate that fails, cannot take the request or is not loaded harms nobody', async () => {
    const scene = new Scene();
    scene.failure = new Error('out of memory');
    scene.offer('p1');
    scene.offer('p2', () => {
      throw new Refusal('MR_INFERENCE_INVALID', 'another shape');
    });
    await scene.settle();
    scene.failure = new Refusal('MR_INFERENCE_BUSY', 'full');
    scene.offer('p3');
    await scene.settle();
    scene.isLoaded = false;
    scene.offer('p4');
    await scene.settle();
    expect(scene.facts.map(({ candidate, rows }) => [candidate.error, rows])).toEqual([
      ['MR_INFERENCE_FAILED', []],
      ['MR_INFERENCE_INVALID', []],
    ]);
    expect([scene.outcomes, scene.leases]).toEqual([['failed', 'failed', 'dropped', 'dropped'], 0]);
  });

  test('a candidate whose answers callers of the primary could not read fails', async () => {
    const scene = new Scene();
    scene.candidateOutputs.push({ name: 'q', datatype: 'FP32', shape: [-1, 1] });
    scene.offer('p1');
    await scene.settle();
    expect(scene.facts.map(({ candidate }) => candidate.error)).toEqual(['MR_INFERENCE_UNSERVABLE']);
    expect([scene.runs, scene.leases]).toEqual([0, 0]);
  });

  test('copies a share of the requests, the same ones on every process', () => {
    const scene = new Scene();
    scene.share = 0.1;
    const wanted = Array.from({ length: 5000 }, (_, index) => scene.mirror.wants('delay', `p${index}`));
    expect(wanted.filter(Boolean).length).toBeGreaterThan(400);
    expect(wanted.filter(Boolean).length).toBeLessThan(600);
    expect(scene.mirror.wants('another', 'p1')).toBe(false);
    expect(scene.mirror.wants(undefined, 'p1')).toBe(false);
  });
});
