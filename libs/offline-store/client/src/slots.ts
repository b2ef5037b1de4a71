import { Fault } from '@millrace/kernel';

interface Waiting {
  readonly start: () => void;
}

/** So many at a time, so many waiting; one more is told to come back. */
export class Slots {
  #running = 0;
  readonly #queue: Waiting[] = [];

  constructor(
    private readonly name: string,
    private readonly size: number,
    private readonly maxWaiting: number,
  ) {}

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Waits for a slot, at most `deadlineMs`. Returns what gives it back. Deadlines use the process's timers: they bound a wait, no
   * result depends on them.
   */
  async take(deadlineMs?: number): Promise<() => void> {
    if (this.#running >= this.size) await this.#wait(deadlineMs);
    else this.#running++;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = this.#queue.shift();
      if (next) next.start();
      else this.#running--;
    };
  }

  #wait(deadlineMs: number | undefined): Promise<void> {
    if (this.#queue.length >= this.maxWaiting) {
      throw new Fault('MR_OFFLINE_STORE_BUSY', `${this.maxWaiting} queries wait for the ${this.name} already; retry later`, true);
    }
    return new Promise((resolve, reject) => {
      const timer =
        deadlineMs === undefined
          ? undefined
          : setTimeout(() => {
              this.#queue.splice(this.#queue.indexOf(waiting), 1);
              reject(new Fault('MR_DEADLINE_EXCEEDED', `the ${this.name} was busy for ${deadlineMs} ms; retry later`, true));
            }, deadlineMs);
      const waiting: Waiting = {
        start: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      this.#queue.push(waiting);
    });
  }
}
