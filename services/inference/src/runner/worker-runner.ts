import type { Scheduler } from '@millrace/kernel';
import { Refusal } from '../domain/refusal.js';
import type { Tensor, TensorSpec } from '../domain/tensor/tensor.js';
import { threadMemory } from './model-memory.js';
import type { RunTurns } from './run-turns.js';
import type { RunOutcome, Runner } from './runner.js';
import type { Trial } from './session-protocol.js';
import type { SessionThread } from './session-thread.js';

export interface WorkerRunnerOptions {
  readonly label: string;
  /** Threads of this model, each with a session of its own: so many runs go on at once. */
  readonly sessions: number;
  /** Opens the same graph in another thread. */
  readonly reopen: () => Promise<SessionThread>;
  readonly turns: RunTurns;
  readonly scheduler: Scheduler;
  /** A thread ended that was not told to. */
  readonly onCrash: (reason: string) => void;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Runs in a row after which a new crash counts as the first again. */
const RUNS_THAT_FORGIVE = 100;

/**
 * Runs a model in worker threads, so that its computing does not hold the event loop. A thread that ends fails what was in it and is started
 * again: at once after a first crash, after a growing pause when it goes on.
 */
export class WorkerRunner implements Runner {
  readonly place = 'worker';
  readonly parallelism: number;
  readonly memoryBytes: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly #options: WorkerRunnerOptions;
  readonly #threads = new Set<SessionThread>();
  /** Why no thread could be started; while it is set and no thread runs, requests are told so. */
  #failure: Error | undefined;
  #awaiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #starting = 0;
  #crashes = 0;
  #runs = 0;
  #cancelPause: (() => void) | undefined;
  #isClosed = false;

  private constructor(trial: Trial, options: WorkerRunnerOptions) {
    this.#options = options;
    this.inputs = trial.inputs;
    this.outputs = trial.outputs;
    this.parallelism = options.sessions;
    this.memoryBytes = options.sessions * threadMemory(trial.graphBytes);
  }

  /** Takes over the thread the graph was tried in, and opens the others. */
  static async open(trial: Trial, first: SessionThread, options: WorkerRunnerOptions): Promise<WorkerRunner> {
    const runner = new WorkerRunner(trial, options);
    try {
      await first.keep();
      runner.#take(first);
      while (runner.#threads.size < options.sessions) runner.#take(await options.reopen());
      return runner;
    } catch (error) {
      await first.close();
      await runner.close();
      throw error;
    }
  }

  async turn(): Promise<() => void> {
    if (this.#threads.size === 0) await this.#revived();
    return this.#options.turns.take();
  }

  async run(inputs: readonly Tensor[], outputs: readonly string[], isOwned: boolean): Promise<RunOutcome> {
    if (this.#threads.size === 0) await this.#revived();
    let least: SessionThread | undefined;
    for (const thread of this.#threads) if (!least || thread.pending < least.pending) least = thread;
    if (!least)
      throw this.#failure ?? new Refusal('MR_INFERENCE_CRASHED', `the worker thread of ${this.#options.label} is being started again`);
    const outcome = await least.run(inputs, outputs, isOwned);
    if (++this.#runs >= RUNS_THAT_FORGIVE) this.#crashes = 0;
    return outcome;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelPause?.();
    const threads = [...this.#threads];
    this.#threads.clear();
    this.#tell(new Refusal('MR_INFERENCE_FAILED', `${this.#options.label} was closed`));
    await Promise.all(threads.map((thread) => thread.close()));
  }

  #take(thread: SessionThread): void {
    this.#threads.add(thread);
    thread.onCrash((reason) => this.#crashed(thread, reason));
  }

  #crashed(thread: SessionThread, reason: string): void {
    this.#threads.delete(thread);
    if (this.#isClosed) return;
    this.#crashes++;
    this.#runs = 0;
    this.#options.onCrash(reason);
    this.#restart(reason);
  }

  #restart(reason: string): void {
    if (this.#crashes <= 1) {
      void this.#start();
      return;
    }
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (this.#crashes - 2), LONGEST_PAUSE_MS);
    this.#failure = new Refusal(
      'MR_INFERENCE_CRASHED',
      `the worker thread of ${this.#options.label} has ended ${this.#crashes} times, last: ${reason}; it is started again within ${pause / 1000} s`,
    );
    if (this.#threads.size === 0) this.#tell(this.#failure);
    this.#cancelPause ??= this.#options.scheduler.after(pause, () => {
      this.#cancelPause = undefined;
      this.#failure = undefined;
      void this.#start();
    });
  }

  /** Starts as many threads as are missing. */
  async #start(): Promise<void> {
    while (!this.#isClosed && this.#threads.size + this.#starting < this.parallelism) {
      this.#starting++;
      try {
        const thread = await this.#options.reopen();
        if (this.#isClosed) await thread.close();
        else this.#take(thread);
        this.#tell();
      } catch (error) {
        this.#crashes = Math.max(2, this.#crashes + 1);
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.onCrash(`it could not be started again: ${reason}`);
        if (!this.#isClosed) this.#restart(reason);
        return;
      } finally {
        this.#starting--;
      }
    }
  }

  #revived(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#awaiting.push({ resolve, reject }));
  }

  #tell(failure?: Error): void {
    const awaiting = this.#awaiting;
    this.#awaiting = [];
    for (const { resolve, reject } of awaiting) {
      if (failure) reject(failure);
      else resolve();
    }
  }
}
