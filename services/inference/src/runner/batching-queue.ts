import { LinkedList, type Linked, type Scheduler } from '@millrace/kernel';
import { isRefusal, Refusal } from '../domain/refusal.js';
import { concatRows, rowsOf, sliceRows, type Tensor } from '../domain/tensor/tensor.js';
import { isRowwise } from './row-mixing.js';
import type { Runner } from './runner.js';

export interface BatchingOptions {
  /** Rows of one run at most; 1 switches batching off. A single request with more rows runs alone. */
  readonly maxBatchRows: number;
  /** Rows waiting at most; a request beyond is refused at once. */
  readonly maxQueuedRows: number;
  /** How long a request waits for others when the model is idle, milliseconds; 0 when absent. */
  readonly maxDelayMs?: number;
  /** Milliseconds, for deadlines and durations. */
  readonly now: () => number;
  readonly scheduler: Scheduler;
}

/** What an AbortSignal takes as a listener beside a function. */
export interface DepartureListener {
  handleEvent(): void;
}

/** That who asked has left: what is used of an AbortSignal, which is one. */
export interface Departure {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: DepartureListener, options: { once: true }): void;
  removeEventListener(type: 'abort', listener: DepartureListener): void;
}

export interface RunRequest {
  /** In the order of the runner's inputs, checked against it. */
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  /** Against `now`; a request that is not answered then is refused. */
  readonly deadline: number;
  /** Aborted when who asked has left: the request gives its place up. */
  readonly signal?: Departure | undefined;
  /** Not to be put together with others: results do not depend, to the last bit, on who asked at the same time. */
  readonly isAlone?: boolean;
  /** Lower goes first, equals in the order they came; 0 unless given. */
  readonly priority?: number;
}

const ONCE = { once: true } as const;

export interface RunResult {
  readonly outputs: readonly Tensor[];
  /** Rows of the run this request was part of: float results may differ in the last bits by it. */
  readonly batchRows: number;
  readonly queuedMs: number;
  readonly computeMs: number;
}

/**
 * A request in the queue or in a run. It listens itself for its client's leaving: with a closure for each, all that a request holds outlived the collector's young generation (ADR 0042).
 */
class Waiting implements Linked<Waiting>, DepartureListener {
  list: Linked<Waiting>['list'] = undefined;
  before: Waiting | undefined = undefined;
  after: Waiting | undefined = undefined;

  constructor(
    readonly request: RunRequest,
    readonly rows: number,
    /** Whether it may share a run with others that are alike. */
    readonly isShareable: boolean,
    readonly arrived: number,
    readonly resolve: (result: RunResult) => void,
    readonly reject: (error: unknown) => void,
    private readonly left: (item: Waiting) => void,
  ) {}

  handleEvent(): void {
    this.left(this);
  }
}

/**
 * One model version's queue. Requests that arrive while the model is busy run together in the next batch: no timer unless a delay is asked
 * for, so an idle model answers at once and a busy one fills its batches. It never mixes versions (a queue belongs to one
 * runner), datatypes, trailing shapes or sets of outputs. A request is answered by its deadline, whatever the model does.
 */
export class BatchingQueue {
  readonly #runner: Runner;
  readonly #options: BatchingOptions;
  readonly #isBatchable: boolean;
  /** In the order of arrival. */
  readonly #waiting = new LinkedList<Waiting>();
  /** Of the request that came when none waited. */
  #usualPriority = 0;
  /** How many wait whose priority is another. */
  #unusual = 0;
  /** Taken into a run, and not answered yet. */
  readonly #running = new LinkedList<Waiting>();
  #queuedRows = 0;
  #busyMs = 0;
  /** Loops that take batches and run them. */
  #serving = 0;
  #idle: (() => void)[] = [];
  #armedFor = Infinity;
  #disarm: (() => void) | undefined;
  #endDelay: (() => void) | undefined;
  readonly #left = (item: Waiting): void => this.#refuse(item, cancelled());

  constructor(runner: Runner, options: BatchingOptions) {
    this.#runner = runner;
    this.#options = options;
    this.#isBatchable = options.maxBatchRows > 1 && isRowwise(runner.inputs, runner.outputs);
  }

  /** Rows that wait. */
  get queuedRows(): number {
    return this.#queuedRows;
  }

  /** Rows that are being run. */
  get runningRows(): number {
    return [...this.#running].reduce((sum, item) => sum + item.rows, 0);
  }

  /** Milliseconds spent running, as a share of all its runner's sessions: it grows by 1000 a second where each of them always runs. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /** Requests that wait or run. */
  get pending(): number {
    return this.#waiting.size + this.#running.size;
  }

  run(request: RunRequest): Promise<RunResult> {
    const { maxQueuedRows, now } = this.#options;
    if (request.signal?.aborted) return Promise.reject(cancelled());
    const rows = this.#rowsOf(request);
    if (this.#queuedRows + rows > maxQueuedRows && this.#waiting.size > 0)
      return Promise.reject(new Refusal('MR_INFERENCE_BUSY', `${this.#queuedRows} rows are waiting for this model; try again shortly`));
    return new Promise((resolve, reject) => {
      const isShareable = this.#isBatchable && request.isAlone !== true && request.inputs.every((input) => rowsOf(input) === rows);
      const item = new Waiting(request, rows, isShareable, now(), resolve, reject, this.#left);
      this.#enqueue(item);
      request.signal?.addEventListener('abort', item, ONCE);
      this.#arm(request.deadline);
      if (this.#queuedRows >= this.#options.maxBatchRows) this.#endDelay?.();
      if (this.#serving >= this.#runner.parallelism) return;
      this.#serving++;
      // After this turn's other arrivals, so that they share the first run too.
      setImmediate(() => void this.#serve());
    });
  }

  /** Resolves when nothing runs or waits. */
  idle(): Promise<void> {
    return this.#serving > 0 ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  /** For when nothing more will come: resolves when all is answered. */
  async close(): Promise<void> {
    await this.idle();
    this.#disarm?.();
    this.#armedFor = Infinity;
  }

  async #serve(): Promise<void> {
    while (this.#waiting.size > 0) {
      if (this.#options.maxDelayMs) await this.#gather(this.#options.maxDelayMs);
      let release: (() => void) | undefined;
      try {
        release = await this.#runner.turn();
      } catch (error) {
        for (const item of [...this.#waiting]) this.#refuse(item, failed(error));
        break;
      }
      try {
        await this.#runBatch(this.#take());
      } finally {
        release?.();
      }
    }
    this.#serving--;
    if (this.#serving > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** Waits until the oldest request has waited for the delay, or there are enough to fill a run. */
  async #gather(delayMs: number): Promise<void> {
    const oldest = this.#waiting.first;
    const left = oldest ? oldest.arrived + delayMs - this.#options.now() : 0;
    if (left <= 0 || this.#queuedRows >= this.#options.maxBatchRows || this.#endDelay) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.scheduler.after(left, resolve);
      this.#endDelay = () => {
        cancel();
        resolve();
      };
    });
    this.#endDelay = undefined;
  }

  /** As they are served: by priority, equals as they came. Most queues hold one priority, and nothing has to be sorted. */
  #inOrder(): Iterable<Waiting> {
    if (this.#unusual === 0) return this.#waiting;
    return [...this.#waiting].sort((a, b) => priorityOf(a.request) - priorityOf(b.request));
  }

  #enqueue(item: Waiting): void {
    const priority = priorityOf(item.request);
    if (this.#waiting.size === 0) this.#usualPriority = priority;
    if (priority !== this.#usualPriority) this.#unusual++;
    this.#waiting.add(item);
    this.#queuedRows += item.rows;
  }

  /** Whether the item waited. */
  #dequeue(item: Waiting): boolean {
    if (!this.#waiting.delete(item)) return false;
    if (priorityOf(item.request) !== this.#usualPriority) this.#unusual--;
    this.#queuedRows -= item.rows;
    return true;
  }

  /** The request whose turn it is and, in order, those that may run with it. */
  #take(): Waiting[] {
    const now = this.#options.now();
    const { maxBatchRows } = this.#options;
    const batch: Waiting[] = [];
    let rows = 0;
    for (const item of this.#inOrder()) {
      if (item.request.deadline <= now) {
        this.#refuse(item, late(now - item.arrived, 'in the queue'));
        continue;
      }
      const [first] = batch;
      if (first && (!item.isShareable || rows + item.rows > maxBatchRows || !areAlike(first.request, item.request))) continue;
      batch.push(item);
      this.#dequeue(item);
      this.#running.add(item);
      rows += item.rows;
      if (!item.isShareable || rows >= maxBatchRows) break;
    }
    return batch;
  }

  async #runBatch(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (!first) return;
    const started = this.#options.now();
    let failure: { readonly error: unknown } | undefined;
    try {
      const isOwned = batch.length > 1;
      const inputs = isOwned
        ? first.request.inputs.map((_, i) => concatRows(batch.map((item) => item.request.inputs[i] as Tensor)))
        : first.request.inputs;
      const { outputs, computeMs } = await this.#runner.run(inputs, first.request.outputs, isOwned);
      const batchRows = batch.reduce((sum, item) => sum + item.rows, 0);
      if (batch.length > 1 && outputs.some((output) => rowsOf(output) !== batchRows)) {
        throw new Refusal('MR_INFERENCE_FAILED', `the model gave other than one row per row of a batch; deploy it with batching off`);
      }
      let row = 0;
      for (const item of batch) {
        const own = batch.length === 1 ? outputs : outputs.map((output) => sliceRows(output, row, row + item.rows));
        row += item.rows;
        if (this.#settle(item)) item.resolve({ outputs: own, batchRows, queuedMs: started - item.arrived, computeMs });
      }
    } catch (error) {
      failure = { error };
    }
    this.#busyMs += (this.#options.now() - started) / this.#runner.parallelism;
    if (failure) await this.#failed(batch, failure.error);
  }

  /**
   * One bad request must not fail its neighbours: a failed batch is tried again one by one. Not where the thread ended: that may have been
   * one of them, and each would end it again.
   */
  async #failed(batch: readonly Waiting[], error: unknown): Promise<void> {
    const isCrash = isRefusal(error) && error.code === 'MR_INFERENCE_CRASHED';
    if (batch.length > 1 && !isCrash) {
      for (const item of batch) if (this.#running.has(item)) await this.#runBatch([item]);
      return;
    }
    for (const item of batch) this.#refuse(item, failed(error));
  }

  #refuse(item: Waiting, refusal: Refusal): void {
    if (this.#settle(item)) item.reject(refusal);
  }

  /** Whether the item was still to be answered; from now on it is not. */
  #settle(item: Waiting): boolean {
    if (!this.#dequeue(item) && !this.#running.delete(item)) return false;
    item.request.signal?.removeEventListener('abort', item);
    return true;
  }

  /** One timer for the earliest deadline; when it is due, the next is looked for. */
  #arm(deadline: number): void {
    if (deadline >= this.#armedFor || deadline === Infinity) return;
    this.#disarm?.();
    this.#armedFor = deadline;
    this.#disarm = this.#options.scheduler.after(Math.max(0, Math.ceil(deadline - this.#options.now())), () => this.#sweep());
  }

  #sweep(): void {
    this.#armedFor = Infinity;
    this.#disarm = undefined;
    const now = this.#options.now();
    let next = Infinity;
    for (const item of [...this.#waiting, ...this.#running]) {
      const { deadline } = item.request;
      if (deadline <= now)
        this.#refuse(item, late(now - item.arrived, this.#waiting.has(item) ? 'in the queue' : 'of waiting and running'));
      else next = Math.min(next, deadline);
    }
    this.#arm(next);
  }

  #rowsOf(request: RunRequest): number {
    const first = request.inputs[0];
    return first ? Math.max(1, rowsOf(first)) : 1;
  }
}

function priorityOf({ priority }: RunRequest): number {
  return priority ?? 0;
}

function late(milliseconds: number, where: string): Refusal {
  return new Refusal('MR_INFERENCE_DEADLINE', `the deadline passed after ${Math.round(milliseconds)} ms ${where}`);
}

function cancelled(): Refusal {
  return new Refusal('MR_INFERENCE_CANCELLED', 'who asked has left');
}

function failed(error: unknown): Refusal {
  if (isRefusal(error) && error.code === 'MR_INFERENCE_CRASHED') return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Refusal('MR_INFERENCE_FAILED', `the model failed: ${message}`, { cause: error });
}

/** Whether two requests may share a run: the same datatypes and trailing shapes, and the same outputs. */
function areAlike(one: RunRequest, other: RunRequest): boolean {
  if (one.outputs !== other.outputs && one.outputs.join('\u0000') !== other.outputs.join('\u0000')) return false;
  return one.inputs.every((input, index) => {
    const { datatype, shape } = other.inputs[index] as Tensor;
    if (input.datatype !== datatype || input.shape.length !== shape.length) return false;
    for (let axis = 1; axis < shape.length; axis++) if (shape[axis] !== input.shape[axis]) return false;
    return true;
  });
}
