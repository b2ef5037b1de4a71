import { Worker } from 'node:worker_threads';
import { Refusal } from '../domain/refusal.js';
import type { Tensor, TensorData } from '../domain/tensor/tensor.js';
import type { ModelFiles } from '../models/servable-model.js';
import { movable, type ThreadFailure, type ThreadReply, type ThreadRequest, type ThreadRun, type Trial } from './session-protocol.js';

/** The program of the threads: its file, and how Node is to run it. */
export interface ThreadProgram {
  readonly url: URL;
  readonly execArgv?: readonly string[];
}

/** As this module is: built, or the sources as they stand (in tests). */
export const SESSION_PROGRAM: ThreadProgram = programOf('session-worker', import.meta.url);

/** The thread's program `name` beside the module at `moduleUrl`. */
export function programOf(name: string, moduleUrl: string): ThreadProgram {
  if (!moduleUrl.endsWith('.ts')) return { url: new URL(`./${name}.js`, moduleUrl) };
  const sources = new URL('../../../../tools/run-sources.mjs', import.meta.url);
  return { url: new URL(`./${name}.ts`, moduleUrl), execArgv: ['--conditions=source', '--import', sources.href] };
}

/**
 * A thread's own heap at most: what it holds of requests are strings, everything else lies outside. A thread that needs more ends with
 * an error; the process goes on.
 */
const THREAD_HEAP = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };

interface Asked {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** A worker thread with room for one session. */
export class SessionThread {
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked>();
  #lastId = 0;
  #end: string | undefined;
  #isEnding = false;
  #onCrash: ((reason: string) => void) | undefined;

  constructor(program: ThreadProgram = SESSION_PROGRAM) {
    this.#worker = new Worker(program.url, {
      name: 'session',
      resourceLimits: THREAD_HEAP,
      ...(program.execArgv ? { execArgv: [...program.execArgv] } : {}),
    });
    this.#worker.on('message', (reply: ThreadReply) => this.#answered(reply));
    this.#worker.on('error', (error: Error & { code?: string }) => (this.#end ??= reasonOf(error)));
    this.#worker.on('messageerror', (error) => {
      this.#end ??= `a reply could not be read: ${error.message}`;
      void this.#worker.terminate();
    });
    this.#worker.on('exit', (code) => this.#ended(code));
    // Work under way keeps the process alive, a thread that waits for some does not.
    this.#worker.unref();
  }

  /** Runs under way or waiting in the thread. */
  get pending(): number {
    return this.#asked.size;
  }

  /** Called once if the thread ends without having been told to, after those who wait for it have been told. */
  onCrash(listener: (reason: string) => void): void {
    this.#onCrash = listener;
  }

  /**
   * Checks, loads and tries a graph. Its files go over to the thread. `admit` is told the bytes of the graph with all its weights before the
   * runtime loads it, and may throw: then the thread is to be closed.
   */
  async open(label: string, { graph, beside, maxBytes }: ModelFiles, admit?: (graphBytes: number) => void): Promise<Trial> {
    const own = { graph: ownOf(graph), beside: new Map([...beside].map(([path, bytes]) => [path, ownOf(bytes)])), maxBytes };
    const graphBytes = await this.#ask<number>({ kind: 'prepare', label, files: own }, movable([own.graph, ...own.beside.values()]));
    admit?.(graphBytes);
    return this.#ask({ kind: 'open' }, []);
  }

  run(inputs: readonly Tensor[], outputs: readonly string[], isOwned: boolean): Promise<ThreadRun> {
    const own = isOwned ? inputs : inputs.map((tensor) => ({ ...tensor, data: copyOf(tensor.data) }));
    return this.#ask({ kind: 'run', inputs: own, outputs }, movable(own.map((tensor) => tensor.data)));
  }

  /** Frees the session; gives the graph that was opened. The thread can open another. */
  giveBack(): Promise<Uint8Array> {
    return this.#ask({ kind: 'give-back' }, []);
  }

  /** Frees the graph's bytes. */
  keep(): Promise<void> {
    return this.#ask({ kind: 'keep' }, []);
  }

  /** Ends the thread, with what it holds. */
  async close(): Promise<void> {
    this.#isEnding = true;
    await this.#worker.terminate();
  }

  #ask<T>(request: DistributiveOmit<ThreadRequest, 'id'>, moves: readonly ArrayBuffer[]): Promise<T> {
    if (this.#end !== undefined || this.#isEnding) return Promise.reject(crashed(this.#end ?? 'it was closed'));
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#worker.ref();
      try {
        this.#worker.postMessage({ ...request, id }, [...moves]);
      } catch (error) {
        this.#forget(id);
        reject(new Error(`the thread could not be asked: ${String(error)}`, { cause: error }));
      }
    });
  }

  #answered(reply: ThreadReply): void {
    const asked = this.#asked.get(reply.id);
    if (!asked) return;
    this.#forget(reply.id);
    if (reply.ok) asked.resolve(reply.value as never);
    else asked.reject(errorOf(reply.failure));
  }

  #ended(code: number): void {
    const reason = (this.#end ??= this.#isEnding ? 'it was closed' : `it ended with exit code ${code}`);
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(crashed(reason));
    if (!this.#isEnding) this.#onCrash?.(reason);
  }

  #forget(id: number): void {
    this.#asked.delete(id);
    if (this.#asked.size === 0) this.#worker.unref();
  }
}

type DistributiveOmit<T, K extends keyof T> = T extends unknown ? Omit<T, K> : never;

function errorOf({ code, message }: ThreadFailure): Error {
  return code ? new Refusal(code, message) : new Error(message);
}

function crashed(reason: string): Refusal {
  return new Refusal(
    'MR_INFERENCE_CRASHED',
    `the worker thread of the model ended while it worked on this (${reason}); it is started again`,
  );
}

function reasonOf(error: Error & { code?: string }): string {
  return error.code === undefined ? error.message : `${error.code}: ${error.message}`;
}

/** Small buffers of Node's share one allocation; what is moved has to be on its own. */
function ownOf(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

function copyOf(data: TensorData): TensorData {
  return data.slice();
}
