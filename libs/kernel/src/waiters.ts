import { Fault } from './rejection.js';
import type { Scheduler } from './clock.js';
import { formatPosition, type Position } from './position.js';

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
}

/** Those who wait until a reader has passed a position, by partition. Bounded by the callers' deadlines. */
export class PositionWaiters {
  readonly #byPartition = new Map<number, Set<Waiter>>();

  constructor(private readonly scheduler: Scheduler) {}

  /** Resolves when {@link passed} reports an offset beyond `position`; a retryable `MR_DEADLINE_EXCEEDED` fault after `deadlineMs`. */
  wait(position: Position, deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = this.#of(position.partition);
      const cancel = this.scheduler.after(deadlineMs, () => {
        waiting.delete(waiter);
        reject(
          new Fault(
            'MR_DEADLINE_EXCEEDED',
            `the reader did not reach ${formatPosition(position)} within ${deadlineMs} ms; retry, or ask with a later deadline`,
            true,
          ),
        );
      });
      const waiter: Waiter = {
        offset: position.offset,
        resolve: () => {
          cancel();
          resolve();
        },
      };
      waiting.add(waiter);
    });
  }

  /** Tells that the next unread offset of `partition` is now `nextOffset`. */
  passed(partition: number, nextOffset: number): void {
    const waiting = this.#byPartition.get(partition);
    if (!waiting || waiting.size === 0) return;
    for (const waiter of waiting) {
      if (waiter.offset < nextOffset) {
        waiting.delete(waiter);
        waiter.resolve();
      }
    }
  }

  #of(partition: number): Set<Waiter> {
    let waiting = this.#byPartition.get(partition);
    if (!waiting) this.#byPartition.set(partition, (waiting = new Set()));
    return waiting;
  }
}
