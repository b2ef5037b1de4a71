import type { ViewPlan } from '@millrace/feature-engine';
import type { Position, Scheduler } from '@millrace/kernel';

interface Waiter {
  readonly offset: number;
  readonly wake: () => void;
}

/** Wakes those who wait for a position of a view as soon as this process has brought the view there. */
export class AppliedPositions {
  readonly #waiting = new Map<string, Set<Waiter>>();

  constructor(private readonly scheduler: Scheduler) {}

  /** A view's partition stands in the online store as far as `nextOffset`. */
  applied(plan: ViewPlan, partition: number, nextOffset: number): void {
    if (this.#waiting.size === 0) return;
    for (const waiter of this.#waiting.get(keyOf(plan, partition)) ?? []) if (waiter.offset < nextOffset) waiter.wake();
  }

  /** `over` resolves when this process applies the position to the view, after so many milliseconds, or when the wait is ended. */
  wait(plan: ViewPlan, { partition, offset }: Position, milliseconds: number): { readonly over: Promise<void>; readonly end: () => void } {
    const key = keyOf(plan, partition);
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting);
    let resolve = (): void => undefined;
    const over = new Promise<void>((settle) => (resolve = settle));
    const wake = (): void => {
      cancel();
      waiting.delete(waiter);
      if (waiting.size === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key);
      resolve();
    };
    const waiter = { offset, wake };
    const cancel = this.scheduler.after(milliseconds, wake);
    waiting.add(waiter);
    return { over, end: wake };
  }
}

/** By what is stored, as views of different versions or names may share it. */
function keyOf({ stateHash }: ViewPlan, partition: number): string {
  return `${stateHash.toString('latin1')}${partition}`;
}
