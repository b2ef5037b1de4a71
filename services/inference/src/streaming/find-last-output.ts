import { CountedOutputs, outputPlaceOf } from '@millrace/contracts';
import { afterUnreadable, type EventLog, type LogRecord } from '@millrace/event-log';

/** Records of the end that are looked at first; where none of them is an output of the stream, four times as many before these. */
const FIRST_BLOCK = 64;
const LARGEST_BLOCK = 65_536;

export interface OutputsOf {
  readonly stream: string;
  readonly generation: number;
  /** Of the source's topic. */
  readonly topic: string;
  readonly partition: number;
}

/**
 * Offset of the last event of a partition that has an output, by the output topic alone; `undefined` when none has. Outputs of a partition are in the
 * partition of the same number and in order, so its end tells, and one record of it is enough: what a process that lost the partition may have
 * written there again after it is lower, and going on from there writes some outputs a second time, which do not count.
 */
export async function findLastOutput(log: EventLog, outputTopic: string, of: OutputsOf): Promise<number | undefined> {
  const { stream, generation, topic, partition } = of;
  const [begins, ends] = await Promise.all([log.begin(outputTopic), log.end(outputTopic)]);
  const begin = begins[partition] ?? 0;
  let to = ends[partition] ?? 0;
  for (let size = FIRST_BLOCK; to > begin; size = Math.min(size * 4, LARGEST_BLOCK)) {
    const from = Math.max(begin, to - size);
    const counted = new CountedOutputs();
    for await (const { headers } of readable(log, outputTopic, partition, from, to)) {
      const place = outputPlaceOf(headers);
      if (place) counted.counts(place);
    }
    const last = counted.last(stream, generation, topic, partition);
    if (last !== undefined) return last;
    to = from;
  }
  return undefined;
}

async function* readable(log: EventLog, topic: string, partition: number, from: number, to: number): AsyncGenerator<LogRecord> {
  for (let next = from; next < to;) {
    try {
      yield* log.read(topic, partition, next, to);
      return;
    } catch (error) {
      const after = afterUnreadable(error);
      if (after === undefined) throw error;
      next = after;
    }
  }
}
