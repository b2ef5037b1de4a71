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

function keyOf(consumer: string, topic: string, partition: number): Buffer {
  return Buffer.from(`checkpoint\0${consumer}\0${topic}\0${partition}`);
}
