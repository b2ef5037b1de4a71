/** Pauses that can be cut short: whoever stops a loop must not wait for its back-off. */
export class Pause {
  readonly #running = new Set<() => void>();
  #isOver = false;

  /** Resolves after the time, or at once when {@link end} was or is called. */
  for(milliseconds: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const over = () => {
        clearTimeout(timer);
        this.#running.delete(over);
        resolve();
      };
      const timer = setTimeout(over, milliseconds);
      this.#running.add(over);
    });
  }

  /** Ends the running pauses and every later one. */
  end(): void {
    this.#isOver = true;
    for (const over of [...this.#running]) over();
  }
}

/** Doubles from `first` to `longest`; `reset` after a success. */
export class BackOff {
  #next: number;
  readonly #first: number;
  readonly #longest: number;

  constructor(first: number, longest: number) {
    this.#first = this.#next = first;
    this.#longest = longest;
  }

  next(): number {
    const pause = this.#next;
    this.#next = Math.min(pause * 2, this.#longest);
    return pause;
  }

  reset(): void {
    this.#next = this.#first;
  }
}
