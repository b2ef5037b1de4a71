import { Refusal } from '../domain/refusal.js';
import { concatRows, rowsOf, sliceRows, type Tensor } from '../domain/tensor/tensor.js';
import type { Runner } from './runner.js';

export interface BatchingOptions {
  /** Rows of one run at most; 1 switches batching off. A single request with more rows runs alone. */
  readonly maxBatchRows: number;
  /** Rows waiting at most; a request beyond is refused at once. */
  readonly maxQueuedRows: number;
  /** Milliseconds, for deadlines and durations. */
  readonly now: () => number;
}

export interface RunRequest {
  /** In the order of the runner's inputs, checked against it. */
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  /** Against `now`; a request still waiting then is refused. */
  readonly deadline: number;
  /** Lower goes first, equals in the order they came; 0 unless given. */
  readonly priority?: number;
}

export interface RunResult {
  readonly outputs: readonly Tensor[];
  /** Rows of the run this request was part of: float results may differ in the last bits by it. */
  readonly batchRows: number;
  readonly queuedMs: number;
  readonly computeMs: number;
}

interface Waiting {
  readonly request: RunRequest;
  readonly rows: number;
  /** Requests of equal key may share a run; `undefined`: runs alone. */
  readonly key: string | undefined;
  readonly arrived: number;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One model version's queue. Requests that arrive while the model is busy run together in the next batch: no timer, so an idle model
 * answers at once and a busy one fills its batches. It never mixes versions (a queue belongs to one runner), datatypes,
 * trailing shapes or sets of outputs.
 */
export class BatchingQueue {
  readonly #runner: Runner;
  readonly #options: BatchingOptions;
  readonly #isBatchable: boolean;
  #waiting: Waiting[] = [];
  #queuedRows = 0;
  #busy = false;
  #idle: (() => void)[] = [];

  constructor(runner: Runner, options: BatchingOptions) {
    this.#runner = runner;
    this.#options = options;
    // Rows can be put together only where first dimensions are free throughout, so that outputs can be taken apart again.
    this.#isBatchable = options.maxBatchRows > 1 && [...runner.inputs, ...runner.outputs].every((spec) => spec.shape?.[0] === -1);
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  run(request: RunRequest): Promise<RunResult> {
    const rows = this.#rowsOf(request);
    if (this.#queuedRows + rows > this.#options.maxQueuedRows && this.#waiting.length > 0)
      return Promise.reject(new Refusal('MR_INFERENCE_BUSY', `${this.#queuedRows} rows are waiting for this model; try again shortly`));
    return new Promise((resolve, reject) => {
      const key = this.#isBatchable ? keyOf(request, rows) : undefined;
      const after = this.#waiting.findLastIndex((item) => (item.request.priority ?? 0) <= (request.priority ?? 0));
      this.#waiting.splice(after + 1, 0, { request, rows, key, arrived: this.#options.now(), resolve, reject });
      this.#queuedRows += rows;
      if (this.#busy) return;
      this.#busy = true;
      // After this turn's other arrivals, so that they share the first run too.
      setImmediate(() => void this.#drain());
    });
  }

  /** Resolves when nothing runs or waits. */
  idle(): Promise<void> {
    return this.#busy ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  async #drain(): Promise<void> {
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) await this.#runBatch(batch);
    this.#busy = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** The oldest request and, in order, those that may run with it. */
  #take(): Waiting[] {
    const now = this.#options.now();
    const batch: Waiting[] = [];
    const left: Waiting[] = [];
    let rows = 0;
    for (const item of this.#waiting) {
      if (item.request.deadline <= now) {
        this.#queuedRows -= item.rows;
        item.reject(new Refusal('MR_INFERENCE_DEADLINE', `the deadline passed after ${Math.round(now - item.arrived)} ms in the queue`));
        continue;
      }
      const first = batch[0];
      const joins = !first || (first.key !== undefined && first.key === item.key && rows + item.rows <= this.#options.maxBatchRows);
      (joins ? batch : left).push(item);
      if (joins) rows += item.rows;
    }
    this.#waiting = left;
    this.#queuedRows -= rows;
    return batch;
  }

  async #runBatch(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (!first) return;
    const started = this.#options.now();
    try {
      const inputs =
        batch.length === 1
          ? first.request.inputs
          : first.request.inputs.map((_, i) => concatRows(batch.map((item) => item.request.inputs[i] as Tensor)));
      const outputs = await this.#runner.run(inputs, first.request.outputs);
      const computeMs = this.#options.now() - started;
      const batchRows = batch.reduce((sum, item) => sum + item.rows, 0);
      if (batch.length > 1 && outputs.some((output) => rowsOf(output) !== batchRows)) {
        throw new Refusal('MR_INFERENCE_FAILED', `the model gave other than one row per row of a batch; deploy it with batching off`);
      }
      let row = 0;
      for (const item of batch) {
        const own = batch.length === 1 ? outputs : outputs.map((output) => sliceRows(output, row, row + item.rows));
        row += item.rows;
        item.resolve({ outputs: own, batchRows, queuedMs: started - item.arrived, computeMs });
      }
    } catch (error) {
      await this.#failed(batch, error);
    }
  }

  /** One bad request must not fail its neighbours: a failed batch is tried again one by one. */
  async #failed(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length > 1) {
      for (const item of batch) await this.#runBatch([item]);
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    for (const item of batch) item.reject(new Refusal('MR_INFERENCE_FAILED', `the model failed: ${message}`, { cause: error }));
  }

  #rowsOf(request: RunRequest): number {
    const first = request.inputs[0];
    return first ? Math.max(1, rowsOf(first)) : 1;
  }
}

function keyOf(request: RunRequest, rows: number): string | undefined {
  const parts: string[] = [];
  for (const tensor of request.inputs) {
    if (rowsOf(tensor) !== rows) return undefined;
    parts.push(`${tensor.datatype}[${tensor.shape.slice(1).join(',')}]`);
  }
  return `${parts.join()}>${request.outputs.join()}`;
}
