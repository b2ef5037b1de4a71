import type { Clock, Scheduler } from '@millrace/kernel';

interface Entry {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Where virtual time begins: a moment like any other, so that timestamps look like timestamps. */
const EPOCH = Date.UTC(2024, 0, 1);

/**
 * Time that passes only when something is due. What is due at the same time runs in the order it was asked for, and everything
 * that one thing sets off in promises runs before the next, so a run depends on nothing but its inputs.
 */
export class VirtualTime implements Clock, Scheduler {
  #now = EPOCH;
  #order = 0;
  /** A binary heap by (at, order). */
  readonly #heap: Entry[] = [];
  #wake: (() => void) | undefined;
  #driving = false;

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, run: () => void): () => void {
    const entry: Entry = { at: this.#now + Math.max(0, milliseconds), order: this.#order++, run };
    this.#push(entry);
    this.#wake?.();
    return () => (entry.run = undefined);
  }

  /** Resolves after that much virtual time. */
  pass(milliseconds: number): Promise<void> {
    return new Promise((resolve) => void this.after(milliseconds, resolve));
  }

  /** Lets time pass until the condition holds. Throws when nothing is due any more and it does not, or after `maxSteps`. */
  async until(condition: () => boolean, what: string, maxSteps = 1_000_000): Promise<void> {
    for (let step = 0; step < maxSteps; step++) {
      await settled();
      if (condition()) return;
      if (!this.#step()) throw new Error(`nothing is due any more, and still not: ${what}`);
    }
    throw new Error(`${maxSteps} steps were not enough for: ${what}`);
  }

  /** From here on time passes by itself: for users that wait for conditions of their own. Returns what stops it. */
  drive(): () => void {
    this.#driving = true;
    void this.#drive();
    return () => {
      this.#driving = false;
      this.#wake?.();
    };
  }

  async #drive(): Promise<void> {
    while (this.#driving) {
      await settled();
      if (!this.#step()) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
      }
    }
  }

  /** Runs the next thing that is due; false when there is none. */
  #step(): boolean {
    for (let entry = this.#pop(); entry; entry = this.#pop()) {
      if (!entry.run) continue;
      this.#now = entry.at;
      entry.run();
      return true;
    }
    return false;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = at * 2 + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child++;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when every promise callback that could run has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
