import { isFault, type Scheduler } from '@millrace/kernel';

export interface FactBufferOptions<T> {
  /** Appends a batch; throws when the log did not take it. */
  readonly append: (facts: readonly T[]) => Promise<unknown>;
  /** What a fact is told as once an append of it has failed that the log may have taken all the same; as before when absent. */
  readonly again?: (fact: T) => T;
  /** Facts held at most; beyond, new ones are shed and counted. */
  readonly capacity: number;
  /** Facts of one append at most. */
  readonly maxBatch: number;
  /** How many facts one stands for, in the capacity, a batch and what is shed; 1 when absent. */
  readonly weigh?: (fact: T) => number;
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
  /** Of all that waits. */
  #weight = 0;
  /** How many go to the log each by itself, as one of them is too large for it. */
  #alone = 0;
  #running: Promise<void> | undefined;
  #closing = false;
  /** Somebody waits until everything is on the log. */
  #isHurried = false;
  #endGathering: (() => void) | undefined;

  constructor(options: FactBufferOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#weight;
  }

  get hasRoom(): boolean {
    return this.#weight < this.#options.capacity && !this.#closing;
  }

  add(fact: T): void {
    const weight = this.#weigh(fact);
    if (!this.hasRoom) {
      this.#options.observer.shed(weight);
      return;
    }
    this.#waiting.push(fact);
    this.#weight += weight;
    this.#running ??= this.#drain();
    if (this.#weight >= this.#options.maxBatch) this.#endGathering?.();
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
    if (this.#isHurried || gatherMs === 0 || this.#weight >= maxBatch) {
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
      const batch = this.#nextBatch();
      try {
        await this.#options.append(batch);
        this.#done(batch);
        pause = FIRST_PAUSE_MS;
      } catch (error) {
        this.#options.observer.retried(error);
        this.#doubted(batch.length, error);
        if (isFault(error) && error.code === 'MR_RECORD_TOO_LARGE') {
          this.#refused(batch);
          continue;
        }
        if (this.#closing) {
          this.#options.observer.shed(this.#weight);
          [this.#waiting, this.#weight] = [[], 0];
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

  #nextBatch(): readonly T[] {
    const { weigh, maxBatch } = this.#options;
    if (this.#alone > 0) return this.#waiting.slice(0, 1);
    if (!weigh) return this.#waiting.slice(0, maxBatch);
    let count = 0;
    for (let weight = 0; count < this.#waiting.length && weight < maxBatch; count++) weight += weigh(this.#waiting[count] as T);
    return this.#waiting.slice(0, count);
  }

  #done(batch: readonly T[]): void {
    this.#waiting = this.#waiting.slice(batch.length);
    for (const fact of batch) this.#weight -= this.#weigh(fact);
    this.#alone = Math.max(0, this.#alone - batch.length);
  }

  /** The first `count` of what waits: only a refusal says that none of them is on the log. */
  #doubted(count: number, error: unknown): void {
    const { again } = this.#options;
    if (!again || (isFault(error) && error.isRefusal)) return;
    for (let index = 0; index < count; index++) this.#waiting[index] = again(this.#waiting[index] as T);
  }

  /** One of these is larger than the log takes: that one is shed, and keeps no other waiting. */
  #refused(batch: readonly T[]): void {
    if (batch.length > 1) {
      this.#alone = batch.length;
      return;
    }
    this.#options.observer.shed(this.#weigh(batch[0] as T));
    this.#done(batch);
  }

  #weigh(fact: T): number {
    return this.#options.weigh?.(fact) ?? 1;
  }
}
