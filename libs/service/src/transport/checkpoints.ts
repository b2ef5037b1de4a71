import type { Scheduler } from '@millrace/kernel';
import type { OnlineStore } from '@millrace/online-store';

/** Where a handler's effect keeps its checkpoint: asked for the next offset to read whenever a partition is (re)assigned. */
export interface Checkpoint {
  next(topic: string, partition: number): number | Promise<number>;
}

/**
 * Checkpoints of handlers whose effect has no place for one, in the online store. Written after the effect, so a crash in between repeats the
 * batch: such effects are idempotent (a command id derived from the record's). Emptying the store repeats everything, harmlessly.
 */
export class StoredCheckpoints {
  constructor(private readonly store: OnlineStore) {}

  async next(consumer: string, topic: string, partition: number): Promise<number> {
    const [found] = await this.store.getMany([keyOf(consumer, topic, partition)]);
    const offset = Number(found?.toString('utf8') ?? '0');
    return Number.isSafeInteger(offset) && offset > 0 ? offset : 0;
  }

  async save(consumer: string, topic: string, partition: number, nextOffset: number): Promise<void> {
    await this.store.writeMany([{ key: keyOf(consumer, topic, partition), value: Buffer.from(String(nextOffset)) }]);
  }
}

/** How long a place may wait to be stored. */
const STORE_AFTER_MS = 1000;

/** The checkpoints of one handler, stored a moment later and many in one step: a crash in between repeats what is harmless to repeat. */
export class LazyCheckpoints {
  readonly #places = new Map<number, number>();
  #cancel: (() => void) | undefined;

  constructor(
    private readonly stored: StoredCheckpoints,
    private readonly scheduler: Scheduler,
    private readonly consumer: string,
    private readonly topic: string,
  ) {}

  async next(partition: number): Promise<number> {
    return this.#places.get(partition) ?? (await this.stored.next(this.consumer, this.topic, partition));
  }

  passed(partition: number, nextOffset: number): void {
    this.#places.set(partition, nextOffset);
    this.#cancel ??= this.scheduler.after(STORE_AFTER_MS, () => {
      // What could not be stored is tried again with the next place.
      void this.flush().catch(() => undefined);
    });
  }

  /** Stores every place passed so far. */
  async flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    const places = [...this.#places];
    this.#places.clear();
    try {
      for (const [partition, next] of places) await this.stored.save(this.consumer, this.topic, partition, next);
    } catch (error) {
      for (const [partition, next] of places) if (!this.#places.has(partition)) this.#places.set(partition, next);
      throw error;
    }
  }
}

function keyOf(consumer: string, topic: string, partition: number): Buffer {
  return Buffer.from(`checkpoint\0${consumer}\0${topic}\0${partition}`);
}
