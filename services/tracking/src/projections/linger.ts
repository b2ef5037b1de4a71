import type { Scheduler } from '@millrace/kernel';

/**
 * A pause that gathers records into larger batches, unless somebody waits for them. A run's row is its whole state, so a run that logs
 * a hundred points a second should not make a hundred rows of it.
 */
export class Linger {
  readonly #pausing = new Set<() => void>();
  #hurried = 0;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly milliseconds: number,
  ) {}

  /** Resolves after the pause, or at once while somebody waits. */
  pause(): Promise<void> {
    if (this.#hurried > 0) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#pausing.delete(end);
        resolve();
      };
      const cancel = this.scheduler.after(this.milliseconds, end);
      this.#pausing.add(end);
    });
  }

  /** No pause from now on: what is gathered has to go in before the process ends. */
  end(): void {
    this.#hurried++;
    for (const end of this.#pausing) end();
  }

  /** Ends the pauses under way, and lets none begin while `work` runs. */
  async hurry<T>(work: () => Promise<T>): Promise<T> {
    this.#hurried++;
    for (const end of this.#pausing) end();
    try {
      return await work();
    } finally {
      this.#hurried--;
    }
  }
}
