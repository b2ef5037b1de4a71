/**
 * Shares out the right to compute in worker threads: as many runs at once as there are cores for them, whatever the number of models, first
 * come first served. Without it busy models would take the event loop's core too.
 */
export class RunTurns {
  readonly #waiting: ((release: () => void) => void)[] = [];
  readonly #atOnce: number;
  #free: number;
  #busyMs = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
    this.#free = atOnce;
  }

  /** Milliseconds in which turns were taken, as a share of all turns: it grows by 1000 a second where none is ever free. */
  get busyMs(): number {
    return this.#busyMs / this.#atOnce;
  }

  /** Waits for a turn. The function it gives ends the turn; calling it again does nothing. */
  take(): Promise<() => void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#next();
    });
  }

  #next(): void {
    if (this.#free === 0) return;
    const resolve = this.#waiting.shift();
    if (!resolve) return;
    this.#free--;
    let isOver = false;
    const since = performance.now();
    resolve(() => {
      if (isOver) return;
      isOver = true;
      this.#busyMs += performance.now() - since;
      this.#free++;
      this.#next();
    });
  }
}
