import type { Scheduler } from '@millrace/kernel';

/** Does something again and again, each time so long after it was done before. It has to tell itself what went wrong. */
export class Rounds {
  readonly #scheduler: Scheduler;
  readonly #everyMs: number;
  readonly #round: () => Promise<void>;
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(scheduler: Scheduler, everyMs: number, round: () => Promise<void>) {
    this.#scheduler = scheduler;
    this.#everyMs = everyMs;
    this.#round = round;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#scheduler.after(this.#everyMs, () => {
      this.#running = this.#round().finally(() => this.start());
    });
  }

  /** Lets a running round come to its end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#running;
  }
}
