import type { EventLog } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';

/**
 * Refuses a log that ends before what `reader` has read of it: it was emptied, or put back from an older backup. What is appended to such a log is
 * under offsets the reader has passed already, so it would be acknowledged and never seen.
 */
export async function refuseLogBehind(log: EventLog, topic: string, reader: string, read: ReadonlyMap<number, number>): Promise<void> {
  if (![...read.values()].some((next) => next > 0)) return;
  const ends = await log.end(topic);
  for (const [partition, next] of read) {
    const end = ends[partition];
    if (end === undefined || next <= end) continue;
    throw new Fault(
      'MR_LOG_BEHIND',
      `the log has less than what was read from it: ${topic}/${partition} ends at ${end}, and ${reader} has read to ${next}. ` +
        'The log was emptied, or put back from an older backup. Put back the log that belongs here. Or, to go on with what this log holds, take away what was made ' +
        'from another: the folders state, online and offline in MILLRACE_DATA_DIR (of every service), and, where they are servers, the keys millrace:* of Redis ' +
        'and the database millrace of ClickHouse; they are filled from the log at the next start.',
      false,
      { details: { topic, partition, end, read: next } },
    );
  }
}
