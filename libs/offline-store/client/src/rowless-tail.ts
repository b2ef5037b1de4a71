import type { Scheduler } from '@millrace/kernel';
import { randomUUID } from 'node:crypto';
import { quoteTable } from './clickhouse-text.js';
import type { OfflineStore } from './offline-store.js';

export interface TailsOptions {
  readonly store: OfflineStore;
  readonly table: string;
  readonly topic: string;
  readonly scheduler: Scheduler;
}

interface Tail {
  /** After the last record with a row. */
  readonly after: number;
  /** After the last record that was read. */
  readonly next: number;
}

const TAILS = 'millrace.rowless_tails';
/** A record with a row may be about to follow, and then nothing needs to be told. */
const TELL_AFTER_MS = 100;
const TELL_AGAIN_MS = 1000;

/**
 * How far a table reaches, for processes that do not fill it: its last offset, and what its reader tells of records behind that one
 * which gave it no row (decisions that lost their race, what it skips, what went to the dead letters).
 */
export class RowlessTails {
  readonly #options: TailsOptions;
  readonly #untold = new Map<number, Tail>();
  readonly #timers = new Map<number, () => void>();

  constructor(options: TailsOptions) {
    this.#options = options;
  }

  /** Next offset by the table's own word: what its reader goes on with. */
  async checkpoint(partition: number): Promise<number> {
    const { store, table, topic } = this.#options;
    const [row] = await store.query<{ next: string }>(
      `SELECT if(count() = 0, 0, max(_offset) + 1) AS next FROM ${quoteTable(table)} WHERE _topic = {topic:String} AND _partition = {partition:UInt32}`,
      { topic, partition },
    );
    return Number(row?.next ?? 0);
  }

  /** Next offset the table was read to, of every partition that something is known of: by its rows, and by what was told of records behind them. */
  async checkpoints(): Promise<ReadonlyMap<number, number>> {
    const { store, table, topic } = this.#options;
    const rows = await store.query<{ partition: number; next: string }>(
      `SELECT _partition AS partition, max(_offset) + 1 AS next FROM ${quoteTable(table)} WHERE _topic = {topic:String} GROUP BY _partition`,
      { topic },
    );
    const read = new Map(rows.map(({ partition, next }) => [Number(partition), Number(next)]));
    const tails = await store.query<{ partition: number; after: string; next: string }>(
      `SELECT partition, after, max(next) AS next FROM ${TAILS} WHERE table_name = {table:String} AND topic = {topic:String} GROUP BY partition, after`,
      { table, topic },
    );
    const inTable = new Map(read);
    for (const { partition, after, next } of tails) {
      if (Number(after) > (inTable.get(Number(partition)) ?? 0)) continue;
      read.set(Number(partition), Math.max(read.get(Number(partition)) ?? 0, Number(next)));
    }
    return read;
  }

  /** Next offset the table is known to hold everything before. A tail that begins behind the table's end says nothing of what lies between. */
  async reached(partition: number): Promise<number> {
    const { store, table, topic } = this.#options;
    const checkpoint = await this.checkpoint(partition);
    const [row] = await store.query<{ next: string }>(
      `SELECT max(next) AS next FROM ${TAILS}
       WHERE table_name = {table:String} AND topic = {topic:String} AND partition = {partition:UInt32} AND after <= {checkpoint:UInt64}`,
      { table, topic, partition, checkpoint },
    );
    return Math.max(checkpoint, Number(row?.next ?? 0));
  }

  /** This process has read `partition` to `next`, and nothing after `after` gave a row. Told a little later, if it is still so then. */
  passed(partition: number, after: number, next: number): void {
    if (next <= after) this.#untold.delete(partition);
    else {
      this.#untold.set(partition, { after, next });
      this.#tellIn(partition, TELL_AFTER_MS);
    }
  }

  /** Tells nothing more. */
  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#untold.clear();
  }

  #tellIn(partition: number, milliseconds: number): void {
    if (this.#timers.has(partition)) return;
    const cancel = this.#options.scheduler.after(milliseconds, () => {
      void this.#tell(partition).then((told) => {
        if (this.#timers.get(partition) !== cancel) return;
        this.#timers.delete(partition);
        if (this.#untold.has(partition)) this.#tellIn(partition, told ? TELL_AFTER_MS : TELL_AGAIN_MS);
      });
    });
    this.#timers.set(partition, cancel);
  }

  async #tell(partition: number): Promise<boolean> {
    const { store, table, topic } = this.#options;
    const tail = this.#untold.get(partition);
    if (!tail) return true;
    try {
      await store.insert(TAILS, [{ table_name: table, topic, partition, after: tail.after, next: tail.next }], randomUUID());
    } catch {
      // Only who waits elsewhere misses it, and it is told again.
      return false;
    }
    if (this.#untold.get(partition) === tail) this.#untold.delete(partition);
    return true;
  }
}
