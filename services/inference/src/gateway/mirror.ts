import { BUCKETS, bucketOf } from '@millrace/assignment';
import type { Scheduler } from '@millrace/kernel';
import { isRefusal, Refusal } from '../domain/refusal.js';
import { predictedNumber, type AskedByStream, type ShadowAnswered, type ShadowSide } from '../domain/prediction/prediction.js';
import type { Tensor } from '../domain/tensor/tensor.js';
import { outputDifference } from '../models/output-difference.js';
import type { ServedModel } from '../models/served-model.js';
import type { MirrorTarget } from '../rollouts/rollouts-in-force.js';
import { describeRows } from './describe-rows.js';

/** A request that the primary has answered. */
export interface AnsweredRequest {
  readonly deployment: string;
  readonly predictionId: string;
  /** Absent of all but streams. */
  readonly askedBy?: AskedByStream | undefined;
  readonly featureTime: number | null;
  readonly units: readonly (string | null)[];
  readonly primary: ServedModel;
  readonly outputs: readonly Tensor[];
  readonly computeMs: number;
  /** The same request as another model takes it; throws where it cannot. */
  readonly inputsFor: (model: ServedModel) => readonly Tensor[];
}

export type MirrorOutcome = 'answered' | 'failed' | 'dropped';

export interface MirrorOptions {
  readonly targetOf: (deployment: string) => MirrorTarget | undefined;
  readonly modelOf: (reference: string) => ServedModel | undefined;
  readonly answered: (fact: ShadowAnswered) => void;
  readonly observed: (deployment: string, outcome: MirrorOutcome) => void;
  readonly scheduler: Scheduler;
  /** Monotonic milliseconds. */
  readonly elapsed: () => number;
}

/** Requests that wait for the candidate at most; what comes beyond is dropped. */
const MOST_WAITING = 32;
/** A copy older than that is dropped: by then the process has had better to do. */
const STALE_MS = 1_000;
const LOOK_AGAIN_MS = 2;

interface Copy extends AnsweredRequest {
  readonly target: MirrorTarget;
  readonly arrived: number;
}

/**
 * Gives copies of answered requests to a rollout's candidate and tells what it would have answered. The caller's answer is on its way before; a
 * copy waits while the primary has requests in its queue, one is run at a time, and as long as it took the candidate rests. What does
 * not fit, or grows old, is dropped and counted. Nothing that goes wrong here reaches a caller.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #waiting: Copy[] = [];
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** Whether a request is one of those to copy; the same on every process. */
  wants(deployment: string | undefined, predictionId: string): boolean {
    const target = deployment === undefined ? undefined : this.#options.targetOf(deployment);
    return target !== undefined && (target.share >= 1 || bucketOf(`mirror ${target.rollout}`, predictionId) < target.share * BUCKETS);
  }

  /** Never throws and never waits. */
  offer(request: AnsweredRequest): void {
    const target = this.#options.targetOf(request.deployment);
    if (!target || this.#isClosed) return;
    if (this.#waiting.length >= MOST_WAITING) return this.#options.observed(request.deployment, 'dropped');
    this.#waiting.push({ ...request, target, arrived: this.#options.elapsed() });
    this.#running ??= this.#drain().finally(() => (this.#running = undefined));
  }

  /** Resolves when no copy waits or runs. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.length = 0;
    await this.#running;
  }

  async #drain(): Promise<void> {
    // After the answer that it is a copy of.
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (let copy = this.#waiting.shift(); copy; copy = this.#waiting.shift()) {
      const { elapsed, observed } = this.#options;
      while (copy.primary.queue.queuedRows > 0 && elapsed() - copy.arrived < STALE_MS && !this.#isClosed) await this.#pause(LOOK_AGAIN_MS);
      const candidate = this.#options.modelOf(copy.target.candidate);
      if (!candidate || elapsed() - copy.arrived >= STALE_MS || this.#isClosed) {
        observed(copy.deployment, 'dropped');
        continue;
      }
      const started = elapsed();
      await this.#run(copy, candidate);
      await this.#pause(elapsed() - started);
    }
  }

  async #run(copy: Copy, candidate: ServedModel): Promise<void> {
    const release = candidate.lease();
    const started = this.#options.elapsed();
    let outputs: readonly Tensor[] | undefined;
    let computeMs = 0;
    let error: string | null = null;
    try {
      const difference = outputDifference(copy.primary, candidate);
      if (difference !== undefined) throw new Refusal('MR_INFERENCE_UNSERVABLE', difference);
      const names = candidate.outputs.map((output) => output.name);
      const result = await candidate.queue.run({ inputs: copy.inputsFor(candidate), outputs: names, deadline: started + STALE_MS });
      ({ outputs, computeMs } = result);
    } catch (failure) {
      error = isRefusal(failure) ? failure.code : 'MR_INFERENCE_FAILED';
    } finally {
      release();
    }
    // Busy or too late is this process's state, not the candidate's fault.
    if (error === 'MR_INFERENCE_BUSY' || error === 'MR_INFERENCE_DEADLINE') return this.#options.observed(copy.deployment, 'dropped');
    const { target, deployment, predictionId, featureTime } = copy;
    this.#options.answered({
      ...{ rollout: target.rollout, run: target.run, deployment, predictionId, featureTime },
      primary: sideOf(copy.primary, copy.computeMs, null),
      candidate: sideOf(candidate, computeMs, error),
      rows: outputs === undefined ? [] : rowsOf(copy, outputs),
      ...copy.askedBy,
    });
    this.#options.observed(deployment, error === null ? 'answered' : 'failed');
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => void this.#options.scheduler.after(Math.ceil(milliseconds), resolve));
  }
}

function sideOf({ version: { name, version } }: ServedModel, computeMs: number, error: string | null): ShadowSide {
  return { latencyMicros: Math.round(computeMs * 1000), error, model: name, version };
}

function rowsOf({ units, outputs: own }: Copy, outputs: readonly Tensor[]): ShadowAnswered['rows'] {
  const rows = units.map((_, row) => row);
  const numbers = (tensors: readonly Tensor[]): (number | null)[] =>
    describeRows(rows, {
      units,
      entityRows: undefined,
      vectors: undefined,
      tensors: undefined,
      outputs: tensors,
      maxElements: Infinity,
    }).map((row) => predictedNumber(row.outputs));
  const [primary, candidate] = [numbers(own), numbers(outputs)];
  return rows.map((row) => ({ row, unit: units[row] ?? null, primary: primary[row] ?? null, candidate: candidate[row] ?? null }));
}
