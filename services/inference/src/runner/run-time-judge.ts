import type { Place } from './runner.js';

/** A model whose run takes longer than this at its warm-up, one row, runs in a worker thread. */
export const SLOW_RUN_MS = 0.5;
/** Runs looked at together. */
const WINDOW = 64;
/** Between half and twice the limit a model stays where it is. */
const HYSTERESIS = 2;
/** After so many moves the next one needs no more evidence than the last. */
const MOST_DOUBLINGS = 8;

/** Where a model belongs by the median of its warm-up runs. */
export function placeOf(warmUpMs: readonly number[]): Place {
  const sorted = [...warmUpMs].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  // A model that could not be tried is taken for slow: a thread too many does less harm than a held event loop.
  return median !== undefined && median <= SLOW_RUN_MS ? 'in-loop' : 'worker';
}

/** Says when a model should move. */
export interface RunJudge {
  /** Takes the processor's time of one run in `place`; gives the other place when the model should move there. */
  observe(place: Place, cpuMs: number): Place | undefined;
}

/**
 * Judges by the times of runs that served whether a model is still in the right place. It waits for a window of runs that are
 * clearly too slow for the loop (or clearly fast enough), and after each move for twice as many windows.
 */
export class RunTimeJudge implements RunJudge {
  #runs = 0;
  #sum = 0;
  #agreeing = 0;
  #needed = 1;
  #moves = 0;

  observe(place: Place, cpuMs: number): Place | undefined {
    this.#sum += cpuMs;
    if (++this.#runs < WINDOW) return undefined;
    // The mean, because the processor's time is counted in steps that are longer than a fast run; a pause of the machine is not in it.
    const judged = this.#sum / WINDOW;
    this.#runs = 0;
    this.#sum = 0;
    const isMisplaced = place === 'in-loop' ? judged > SLOW_RUN_MS * HYSTERESIS : judged < SLOW_RUN_MS / HYSTERESIS;
    this.#agreeing = isMisplaced ? this.#agreeing + 1 : 0;
    if (this.#agreeing < this.#needed) return undefined;
    this.#agreeing = 0;
    this.#moves = Math.min(this.#moves + 1, MOST_DOUBLINGS);
    this.#needed = 2 ** this.#moves;
    return place === 'in-loop' ? 'worker' : 'in-loop';
  }
}
