import type { EventOutcome } from './predict-event.js';

/** An event whose run ended the model's thread when it was alone in it so often is itself what ends it. */
const MOST_CRASHES = 3;

/** One partition as this process works on it. */
export class StreamPartition {
  /** Last known end of the source's partition. */
  end: number;
  /** An append failed without telling whether it came through: the output topic has to be asked. */
  isUncertain = false;
  /** Of the first event that waits, milliseconds since the epoch; `undefined` while none is known to. */
  waitingSince: number | undefined;
  /** Why nothing goes on, and what kind of trouble it is; `undefined` while it does. */
  trouble: { readonly reason: string; readonly code: string | undefined } | undefined;
  #next: number;
  /** Everything before is known to be done by the log. */
  #told: number;
  /** Since when events are done with that no output tells of, milliseconds since the epoch. */
  #untoldSince: number | undefined;
  /** Offset and number of the threads that ended under one event. */
  #crashes: { readonly offset: number; readonly count: number } | undefined;

  /** Behind the last event that was tried here. */
  #tried: number;
  /** Of events before this end, so many at most may have been tried by who had the partition before. */
  readonly #triedBefore: { readonly end: number; most: number };

  /** `before`: how far who had the partition last may have tried events whose outputs are not there. */
  constructor(next: number, before: { readonly end: number; readonly most: number } = { end: next, most: 0 }) {
    this.#next = this.#told = this.#tried = next;
    this.end = Math.max(next, before.end);
    this.#triedBefore = { ...before };
  }

  /** Told of each event that is tried, in order. Returns whether it may have been tried before, here or by who had the partition last. */
  tries(offset: number): boolean {
    if (offset < this.#tried) return true;
    this.#tried = offset + 1;
    if (offset >= this.#triedBefore.end || this.#triedBefore.most === 0) return false;
    this.#triedBefore.most--;
    return true;
  }

  /** Offset of the first event that is not done with. */
  get next(): number {
    return this.#next;
  }

  /** Events that are done with and that no output tells of. */
  get untold(): number {
    return this.#next - this.#told;
  }

  /** How long ago, in milliseconds, the first event became done with that no output tells of; 0 while there is none, and when first asked. */
  untoldMs(now: number): number {
    if (this.untold === 0) return 0;
    this.#untoldSince ??= now;
    return Math.max(0, now - this.#untoldSince);
  }

  get lag(): number {
    return Math.max(0, this.end - this.#next);
  }

  /** Whether events are to be run one by one, since one of them seems to end the thread it runs in. */
  get isCareful(): boolean {
    return this.#crashes !== undefined;
  }

  advance(next: number, lastOutput: number | undefined): void {
    this.#next = Math.max(this.#next, next);
    if (lastOutput !== undefined) this.told(lastOutput + 1);
    if (this.#crashes && this.#crashes.offset < this.#next) this.#crashes = undefined;
  }

  told(next: number): void {
    if (next > this.#told) this.#untoldSince = undefined;
    this.#told = Math.max(this.#told, next);
    this.#next = Math.max(this.#next, next);
  }

  /** Turns the outcome of an event that ends threads, run alone again and again, into a letter. */
  judged(offset: number, outcome: EventOutcome): EventOutcome {
    if (outcome.kind !== 'again' || outcome.code !== 'MR_INFERENCE_CRASHED') return outcome;
    const count = this.#crashes?.offset === offset ? this.#crashes.count + 1 : 0;
    this.#crashes = { offset, count };
    if (count < MOST_CRASHES) return outcome;
    return { kind: 'letter', reason: `${outcome.code}: each of ${count} times it was run alone, ${outcome.reason}` };
  }

  /** Age of the oldest event that waits, in milliseconds. */
  lagMs(now: number): number {
    return this.lag === 0 || this.waitingSince === undefined ? 0 : Math.max(0, now - this.waitingSince);
  }
}
