import type { Scheduler } from '@millrace/kernel';
import type { ModelFiles, ServableSignature } from '../models/servable-model.js';
import { InLoopRunner } from './in-loop-runner.js';
import { PlacedRunner } from './placed-runner.js';
import { placeOf, RunTimeJudge, type RunJudge } from './run-time-judge.js';
import { RunTurns } from './run-turns.js';
import type { Place, Runner } from './runner.js';
import type { Trial } from './session-protocol.js';
import { SESSION_PROGRAM, SessionThread, type ThreadProgram } from './session-thread.js';
import { WorkerRunner } from './worker-runner.js';
import { warmUpInputs } from './warm-up.js';

export interface RunnerOpenerOptions {
  /** Where models run; `auto`: where their run time says. */
  readonly place: Place | 'auto';
  /** Runs that go on in worker threads at once, of all models together. */
  readonly workers: number;
  /** Threads and sessions of one model. */
  readonly sessionsPerModel: number;
  readonly scheduler: Scheduler;
  readonly observer: RunnerObserver;
  /** Judges one model's runs; another than by their times is for tests. */
  readonly judge?: () => RunJudge;
  /** What the threads run; another than the default is for tests. */
  readonly program?: ThreadProgram;
}

export interface RunnerObserver {
  crashed(label: string, reason: string): void;
  moved(label: string, to: Place): void;
  stayed(label: string, wanted: Place, error: unknown): void;
}

/** A model that can run, and what it says of itself. */
export interface OpenedModel extends ServableSignature {
  readonly runner: Runner;
  readonly warmUpError: string | undefined;
  /** A row's answer depends on the rows beside it, so requests must not share a run. */
  readonly mixesRows: boolean;
}

/** A graph as it was tried: what it says of itself, and where it would run. */
export interface TriedModel extends Trial {
  readonly place: Place;
}

/** A graph that takes the runtime longer to load stays in its thread: loading it in the loop would hold it for as long. */
const LONGEST_OPEN_IN_LOOP_MS = 50;
/** Graphs tried in one thread before it makes room for a fresh one: memory that loading leaves behind goes with the thread. */
const TRIALS_PER_THREAD = 64;
/** Threads kept ready: a load and a check of what has been registered may go on side by side. */
const SPARE_THREADS = 2;
/** A thread kept ready ends when nothing comes for so long. */
const IDLE_THREAD_MS = 60_000;

/**
 * Opens models. Each is checked, loaded and tried in a worker thread first, so that the event loop is not held; then it is opened in the
 * loop when its runs are fast, or stays in the thread.
 */
export class RunnerOpener {
  readonly #options: RunnerOpenerOptions;
  readonly #turns: RunTurns;
  #spares: { thread: SessionThread; trials: number; cancelEnd: () => void }[] = [];
  #isClosed = false;

  constructor(options: RunnerOpenerOptions) {
    this.#options = options;
    this.#turns = new RunTurns(options.workers);
  }

  /** Milliseconds in which runs in worker threads went on, as a share of all that may go on at once. */
  get workersBusyMs(): number {
    return this.#turns.busyMs;
  }

  /**
   * Opens the graph that `read` gives; it is read again when the model moves or its thread has to be started again. What it gives is moved away.
   * `admit` is told, the first time, the bytes of the graph with all its weights before the runtime loads it; it may throw.
   */
  async open(label: string, read: () => Promise<ModelFiles>, admit?: (graphBytes: number) => void): Promise<OpenedModel> {
    const { place, observer } = this.#options;
    const { runner, trial } = await this.#open(label, read, place, admit);
    const { inputs, outputs, features, stripped, widened, warmUpError, mixesRows } = trial;
    const placed = new PlacedRunner(runner, {
      reopen: place === 'auto' ? async (wanted) => (await this.#open(label, read, wanted)).runner : undefined,
      judge: this.#options.judge?.() ?? new RunTimeJudge(),
      observer: {
        moved: (to) => observer.moved(label, to),
        stayed: (wanted, error) => observer.stayed(label, wanted, error),
      },
    });
    return { runner: placed, inputs, outputs, features, stripped, widened, warmUpError, mixesRows };
  }

  /** Checks, loads and tries a graph in a thread, and frees it again. */
  async try(label: string, files: ModelFiles): Promise<TriedModel> {
    const { thread, trials } = this.#takeThread();
    try {
      const trial = await thread.open(label, files);
      await thread.giveBack();
      this.#giveThread(thread, trials + 1);
      return { ...trial, place: this.#placeOf(trial, this.#options.place) };
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /** Ends the threads kept ready. Opened models are closed by who has them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { cancelEnd } of this.#spares) cancelEnd();
    await Promise.all(this.#spares.splice(0).map(({ thread }) => thread.close()));
  }

  async #open(
    label: string,
    read: () => Promise<ModelFiles>,
    wanted: Place | 'auto',
    admit?: (graphBytes: number) => void,
  ): Promise<{ runner: Runner; trial: Trial }> {
    // Read first: where there is no room, no thread is started for it.
    const files = await read();
    const { thread, trials } = this.#takeThread();
    try {
      const trial = await thread.open(label, files, admit);
      if (this.#placeOf(trial, wanted) === 'worker') return { runner: await this.#inWorker(label, read, trial, thread), trial };
      const graph = await thread.giveBack();
      this.#giveThread(thread, trials + 1);
      return { runner: await inLoop(graph, trial), trial };
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  #placeOf(trial: Trial, wanted: Place | 'auto'): Place {
    // Asked for by the operator it is opened in the loop whatever it costs; otherwise only where that is quickly done.
    if (trial.openMs > LONGEST_OPEN_IN_LOOP_MS && this.#options.place === 'auto') return 'worker';
    return wanted === 'auto' ? placeOf(trial.warmUpMs) : wanted;
  }

  #inWorker(label: string, read: () => Promise<ModelFiles>, trial: Trial, thread: SessionThread): Promise<WorkerRunner> {
    const { sessionsPerModel, scheduler, observer } = this.#options;
    return WorkerRunner.open(trial, thread, {
      label,
      sessions: sessionsPerModel,
      turns: this.#turns,
      scheduler,
      reopen: async () => {
        const files = await read();
        const another = this.#takeThread().thread;
        try {
          await another.open(label, files);
          await another.keep();
          return another;
        } catch (error) {
          await another.close();
          throw error;
        }
      },
      onCrash: (reason) => observer.crashed(label, reason),
    });
  }

  #takeThread(): { thread: SessionThread; trials: number } {
    const spare = this.#spares.pop();
    spare?.cancelEnd();
    return spare ?? { thread: new SessionThread(this.#options.program ?? SESSION_PROGRAM), trials: 0 };
  }

  #giveThread(thread: SessionThread, trials: number): void {
    if (this.#isClosed || this.#spares.length >= SPARE_THREADS || trials >= TRIALS_PER_THREAD) {
      void thread.close();
      return;
    }
    const forget = (): void => {
      spare.cancelEnd();
      this.#spares = this.#spares.filter((one) => one !== spare);
    };
    const cancelEnd = this.#options.scheduler.after(IDLE_THREAD_MS, () => {
      forget();
      void thread.close();
    });
    const spare = { thread, trials, cancelEnd };
    this.#spares.push(spare);
    thread.onCrash(forget);
  }
}

/** The first run allocates and picks kernels: better now than in someone's request. */
async function inLoop(bytes: Uint8Array, trial: Trial): Promise<InLoopRunner> {
  const runner = await InLoopRunner.open(bytes, trial.inputs, trial.outputs);
  const inputs = trial.warmUpError === undefined ? warmUpInputs(trial.inputs) : undefined;
  if (inputs)
    await runner.run(
      inputs,
      trial.outputs.map((output) => output.name),
    );
  return runner;
}
