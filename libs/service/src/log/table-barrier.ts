import type { EventLog } from '@millrace/event-log';
import type { Scheduler } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';

export interface TableBarrierOptions {
  readonly log: EventLog;
  readonly store: OfflineStore;
  readonly scheduler: Scheduler;
  readonly now: () => number;
}

const POLL_MS = 50;

/**
 * Waits until a table another service projects holds what its topic holds now. Such a table can only be asked; records without a row (dead
 * letters) at the very end make it look behind, so this gives up silently at the deadline: it says how fresh an answer is,
 * it does not decide whether there is one. `false`: it gave up, or the table is not there.
 */
export async function tableBarrier(options: TableBarrierOptions, topic: string, table: string, deadlineMs: number): Promise<boolean> {
  const { log, store, scheduler, now } = options;
  if ((await log.partitions(topic)) === undefined) return true;
  const ends = await log.end(topic);
  const deadline = now() + deadlineMs;
  for (;;) {
    const rows = await store.query<{ partition: number; next: string }>(
      `SELECT _partition AS partition, max(_offset) + 1 AS next FROM ${table} WHERE _topic = {topic:String} GROUP BY _partition`,
      { topic },
    );
    const next = new Map(rows.map((row) => [Number(row.partition), Number(row.next)]));
    if (ends.every((end, partition) => (next.get(partition) ?? 0) >= end)) return true;
    if (now() + POLL_MS >= deadline) return false;
    await new Promise<void>((resolve) => void scheduler.after(POLL_MS, resolve));
  }
}
