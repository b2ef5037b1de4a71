import type { EventLog } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';

/** Who reads a topic, and what of theirs holds how far they have come: what goes when they are to begin anew. */
export interface LogReader {
  readonly name: string;
  readonly holds: string;
}

/** What consumers keep their places in, unless they say otherwise. */
export const ONLINE_STORE =
  'the folder online in MILLRACE_DATA_DIR (of every service) or, where it is a server, the keys millrace:* of Redis';

/** Topics with this beginning are the platform's; all others belong to their producers. */
const OWN_TOPICS = 'millrace.';

/**
 * Refuses a log that ends before what `reader` has read of it: it was emptied, or put back from an older backup. What is appended to such a log is
 * under offsets the reader has passed already, so it would be acknowledged and never seen.
 */
export async function refuseLogBehind(
  log: EventLog,
  topic: string,
  { name, holds }: LogReader,
  read: ReadonlyMap<number, number>,
): Promise<void> {
  if (![...read.values()].some((next) => next > 0)) return;
  const ends = await log.end(topic);
  for (const [partition, next] of read) {
    const end = ends[partition];
    if (end === undefined || next <= end) continue;
    throw new Fault(
      'MR_LOG_BEHIND',
      `the log has less than what was read from it: ${topic}/${partition} ends at ${end}, and ${name} has read to ${next}. ${adviceFor(topic, holds)}`,
      false,
      { details: { topic, partition, end, read: next } },
    );
  }
}

/** What a reader holds may be the only copy of what retention took from the log, so nothing more is named than has to go. */
function adviceFor(topic: string, holds: string): string {
  const goOn = `take away ${holds}: it is filled from the log at the next start, and what is no longer on the log does not come back, so keep a copy`;
  if (topic.startsWith(OWN_TOPICS)) {
    return `The log was emptied, or put back from an older backup. Put back the log that belongs here. Or, to go on with what this log holds, ${goOn}.`;
  }
  return `The topic was made anew, or put back from an older backup. Put back what belongs here, or give the source another topic. Or, to go on with what the topic holds now, ${goOn}.`;
}
