import { Fault } from './rejection.js';
import type { Scheduler } from './clock.js';
import { formatPosition, type Position } from './position.js';

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
  readonly reject: (fault: Fault) => void;
}

/** Those who wait until a reader has passed a position, by partition. Bounded by the callers' deadlines. */
export class PositionWaiters {
  readonly #byPartition = new Map<number, Set<Waiter>>();
  #isOver = false;

  constructor(private readonly scheduler: Scheduler) {}

  /** Resolves when {@link passed} reports an offset beyond `position`; a retryable `MR_DEADLINE_EXCEEDED` fault after `deadlineMs`. */
  wait(position: Position, deadlineMs: number): Promise<void> {
    if (this.#isOver) return Promise.reject(readerStopped(position));
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
        reject: (fault) => {
          cancel();
          reject(fault);
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

  /** The reader has stopped: nobody will get to hear of a later position, so who waits, or begins to, is told at once. */
  end(): void {
    this.#isOver = true;
    for (const [partition, waiting] of this.#byPartition) {
      for (const { offset, reject } of waiting) reject(readerStopped({ partition, offset }));
    }
    this.#byPartition.clear();
  }

  #of(partition: number): Set<Waiter> {
    let waiting = this.#byPartition.get(partition);
    if (!waiting) this.#byPartition.set(partition, (waiting = new Set()));
    return waiting;
  }
}

function readerStopped({ partition, offset }: Pick<Position, 'partition' | 'offset'>): Fault {
  return new Fault(
    'MR_READER_STOPPED',
    `the reader stopped before it reached offset ${offset} of partition ${partition}; the process is ending`,
    true,
  );
}
