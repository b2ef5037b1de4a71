import { readdirSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** What chdb 26.7 calls the threads of its pools; what they run for a while has other names, and then they are in the pool again. */
const ENGINE_THREADS = new Set([
  ...['BgSchPool', 'BgStrmSchPool', 'Common', 'Fetch', 'MemoryWorker', 'MergeMutate', 'Move', 'PoolDelayExec', 'QueryPipelineEx'],
  ...['ThreadPool'],
]);
/** Among threads that all want a core, one of these gets about a tenth of what one of the process's own gets. */
const NICENESS = 10;
const LOWEST = 19;
const LOOK_EVERY_MS = 1000;
const TASKS = '/proc/self/task';

/**
 * Lets the engine's threads give way to the process's own. Merging parts and running queries takes every core there is, and with equal rights the loop that answers
 * requests would wait for its turn behind each of those threads: milliseconds at a time, for as long as a merge goes on. Only where threads have priorities of their own (Linux);
 * new threads come with the load, so it is looked again and again.
 */
export class EngineThreads {
  readonly #timer: NodeJS.Timeout | undefined;
  #known: ReadonlySet<string> = new Set<string>();

  constructor() {
    if (process.platform !== 'linux') return;
    this.look();
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** Gives the engine's threads that came since the last time their priority. */
  look(): void {
    const known = new Set<string>();
    for (const task of readdirSync(TASKS)) if (this.#known.has(task) || (isEngines(task) && gaveWay(Number(task)))) known.add(task);
    this.#known = known;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function isEngines(task: string): boolean {
  try {
    return ENGINE_THREADS.has(readFileSync(`${TASKS}/${task}/comm`, 'latin1').trimEnd());
  } catch {
    // It has ended meanwhile.
    return false;
  }
}

function gaveWay(task: number): boolean {
  try {
    setPriority(task, Math.min(LOWEST, getPriority() + NICENESS));
    return true;
  } catch {
    return false;
  }
}
