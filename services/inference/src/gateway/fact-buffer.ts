import type { Scheduler } from '@millrace/kernel';

export interface FactBufferOptions<T> {
  /** Appends a batch; throws when the log did not take it. */
  readonly append: (facts: readonly T[]) => Promise<unknown>;
  /** Facts held at most; beyond, new ones are shed and counted. */
  readonly capacity: number;
  readonly maxBatch: number;
  /** How long facts gather for one append, milliseconds, unless there are enough for one or somebody waits: an append costs much the same for one and for a hundred. 0 when absent. */
  readonly gatherMs?: number;
  readonly scheduler: Scheduler;
  readonly observer: { shed(count: number): void; retried(error: unknown): void };
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Carries facts to the log behind the answers: adding never waits and never fails. While the log is away facts are kept up to the capacity
 * and tried again; what does not fit is shed, oldest kept, and counted. An answer is never slower for its record.
 */
export class FactBuffer<T> {
  readonly #options: FactBufferOptions<T>;
  #waiting: T[] = [];
  #running: Promise<void> | undefined;
  #closing = false;
  /** Somebody waits until everything is on the log. */
  #isHurried = false;
  #endGathering: (() => void) | undefined;

  constructor(options: FactBufferOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.length;
  }

  get hasRoom(): boolean {
    return this.#waiting.length < this.#options.capacity && !this.#closing;
  }

  add(fact: T): void {
    if (!this.hasRoom) {
      this.#options.observer.shed(1);
      return;
    }
    this.#waiting.push(fact);
    this.#running ??= this.#drain();
    if (this.#waiting.length >= this.#options.maxBatch) this.#endGathering?.();
  }

  /** Resolves when everything added so far is on the log. */
  async flushed(): Promise<void> {
    this.#hurry();
    await this.#running;
  }

  /** Takes no more, tries once more to deliver what waits, sheds the rest. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#hurry();
    await this.#running;
  }

  #hurry(): void {
    this.#isHurried = this.#running !== undefined;
    this.#endGathering?.();
  }

  /** At least until the request that began it has gone on: this is off the answer's path. */
  async #gather(): Promise<void> {
    const { gatherMs = 0, maxBatch, scheduler } = this.#options;
    if (this.#isHurried || gatherMs === 0 || this.#waiting.length >= maxBatch) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      return;
    }
    await new Promise<void>((resolve) => {
      const cancel = scheduler.after(gatherMs, resolve);
      this.#endGathering = () => {
        cancel();
        resolve();
      };
    });
    this.#endGathering = undefined;
  }

  async #drain(): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; this.#waiting.length > 0;) {
      await this.#gather();
      const batch = this.#waiting.slice(0, this.#options.maxBatch);
      try {
        await this.#options.append(batch);
        this.#waiting = this.#waiting.slice(batch.length);
        pause = FIRST_PAUSE_MS;
      } catch (error) {
        this.#options.observer.retried(error);
        if (this.#closing) {
          this.#options.observer.shed(this.#waiting.length);
          this.#waiting = [];
          break;
        }
        const milliseconds = pause;
        await new Promise<void>((resolve) => void this.#options.scheduler.after(milliseconds, resolve));
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
    this.#running = undefined;
    this.#isHurried = false;
  }
}
