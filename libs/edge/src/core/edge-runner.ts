import { edgeId } from './edge-id.js';
import type { PredictionOrigin, PredictionQueue, QueuedPrediction } from './prediction-queue.js';
import { RowRefused, type EdgeAnswer, type Predictor } from './predictor.js';
import type { AskedRow } from './row-tensors.js';

/** A row as it is asked, and what it is about. */
export interface EdgeRequest extends AskedRow {
  /** What labels without a prediction id are joined by. */
  readonly unit?: string | null;
}

export interface EdgePrediction extends EdgeAnswer {
  readonly predictionId: string;
}

export interface EdgeRunnerOptions {
  readonly predictor: Predictor;
  readonly queue: PredictionQueue;
  readonly now: () => number;
  /** Milliseconds from some beginning, for how long an answer took. */
  readonly elapsed: () => number;
}

/** Predicts and keeps: an answer is given once it waits in the queue, so what was answered is told sooner or later, or counted as dropped. */
export class EdgeRunner {
  readonly #options: EdgeRunnerOptions;
  readonly #origin: PredictionOrigin;

  constructor(options: EdgeRunnerOptions) {
    this.#options = options;
    const { model, graph, target } = options.predictor.manifest;
    const session = edgeId(options.now());
    const { name, version, digest, deployment } = model;
    this.#origin = { model: name, version, digest, graph: graph.sha256, deployment, session, runner: target };
  }

  /** A row that is refused makes no record: nothing was asked that the model could have answered. A run that fails makes one, with the error. */
  async predict({ inputs = null, features = null, unit = null }: EdgeRequest): Promise<EdgePrediction> {
    const { predictor, now, elapsed } = this.#options;
    const time = Math.floor(now());
    const id = edgeId(time);
    const started = elapsed();
    const keep = (outcome: Pick<QueuedPrediction, 'outputs' | 'error'>): Promise<void> => {
      const latencyMicros = Math.max(0, Math.round((elapsed() - started) * 1000));
      return this.#options.queue.add({ id, time, of: this.#origin, unit, inputs, features, latencyMicros, ...outcome });
    };
    let answer: EdgeAnswer;
    try {
      answer = await predictor.predict({ inputs, features });
    } catch (error) {
      if (error instanceof RowRefused) throw error;
      await keep({
        outputs: null,
        error: { code: 'MR_EDGE_FAILED', message: (error instanceof Error ? error.message : String(error)).slice(0, 1000) },
      });
      throw error;
    }
    await keep({ outputs: answer.outputs, error: null });
    return { predictionId: id, ...answer };
  }
}
