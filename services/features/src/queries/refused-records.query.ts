import { deadLetterTopicOf, readDeadLetter, type EventLog } from '@millrace/event-log';
import { rejectionKind } from '../sources/rejection-kind.js';

/** Records of a source's topic that are no events of it: what its producers put there and could not be taken. */
export interface RefusedRecords {
  /** Letters there are for the topic. */
  readonly deadLetters: number;
  /** Of the newest letters, at most 1,000: how many of this source, by kind, the most frequent first. */
  readonly recent: readonly { readonly kind: string; readonly count: number; readonly example: string; readonly last: string }[];
}

const MOST_READ = 1_000;

/** What the dead letters of a source's topic tell. `consumer` is who writes them for the source. */
export async function refusedRecords(log: EventLog, topic: string, consumer: string): Promise<RefusedRecords> {
  const letters = deadLetterTopicOf(topic);
  if ((await log.partitions(letters)) === undefined) return { deadLetters: 0, recent: [] };
  const [begin, end] = await Promise.all([log.begin(letters), log.end(letters)]);
  const kinds = new Map<string, { count: number; example: string; last: string }>();
  for (const [partition, next] of end.entries()) {
    const from = Math.max(begin[partition] ?? 0, next - MOST_READ);
    for await (const record of log.read(letters, partition, from, next)) {
      const letter = readDeadLetter(record);
      if (letter.consumer !== consumer) continue;
      const kind = rejectionKind(letter.reason);
      kinds.set(kind, { count: (kinds.get(kind)?.count ?? 0) + 1, example: letter.reason, last: letter.time });
    }
  }
  return {
    deadLetters: end.reduce((sum, next, partition) => sum + next - (begin[partition] ?? 0), 0),
    recent: [...kinds].map(([kind, told]) => ({ kind, ...told })).sort((a, b) => b.count - a.count || (a.kind < b.kind ? -1 : 1)),
  };
}
