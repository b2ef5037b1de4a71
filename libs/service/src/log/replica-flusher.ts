import type { DecisionReplica, Scheduler } from '@millrace/kernel';

/**
 * Changed subjects that may wait in memory; beyond, folding waits for the store. Names are scattered over the store's pages, so a commit of few writes
 * nearly as many pages as one of many.
 */
const MOST_UNFLUSHED = 20_000;
/** What a commit of the store costs grows with the store, and nobody waits for it. */
const FLUSH_AFTER_MS = 2000;

/**
 * Hands a replica's changes to its store: a moment after they came, or at once when there are many. The log holds them all the while,
 * so a crash costs a re-read and nothing else.
 */
export class ReplicaFlusher {
  #cancel: (() => void) | undefined;

  constructor(
    private readonly replica: DecisionReplica,
    private readonly scheduler: Scheduler,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Something may have changed. Resolves at once unless too much waits to be stored. */
  async changed(): Promise<void> {
    if (this.replica.unflushed >= MOST_UNFLUSHED) {
      this.#disarm();
      await this.replica.flush();
      return;
    }
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#disarm();
    await this.replica.flush();
  }

  #arm(): void {
    this.#cancel ??= this.scheduler.after(FLUSH_AFTER_MS, () => {
      this.#cancel = undefined;
      this.replica.flush().catch((error: unknown) => {
        this.onError(error);
        this.#arm();
      });
    });
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
