import { crc32 } from 'node:zlib';
import { afterUnreadable } from './after-unreadable.js';
import { deadLetterTopicOf } from './dead-letters.js';
import type { EventLog, LogRecord } from './event-log.js';

/** Letters at the end of the topic that are looked at: what a process that was killed may have written behind its last checkpoint is among them. */
const MOST_LOOKED_AT = 16_384;
const FIRST_BLOCK = 256;

export interface WrittenLettersOptions {
  readonly log: EventLog;
  /** Topic of the records, not of their letters. */
  readonly topic: string;
  readonly consumer: string;
  /** Letters of before it do not count, milliseconds since the epoch: then its reader began anew. Default: all count. */
  readonly since?: number;
}

/**
 * The letters a consumer wrote of records that come to it again, since its checkpoint is before them: they are not written again. Looked up for a
 * partition when the first letter of it is to be written. A topic that was deleted and made anew has other records at the same places, so bytes are compared too.
 */
export class WrittenLetters {
  readonly #options: WrittenLettersOptions;
  readonly #from = new Map<number, number>();
  /** Partition -> offset -> checksums of the values. */
  readonly #found = new Map<number, Promise<ReadonlyMap<number, readonly number[]>>>();

  constructor(options: WrittenLettersOptions) {
    this.#options = options;
  }

  /** A partition is read from an offset on. */
  begin(partition: number, from: number): void {
    this.#from.set(partition, from);
    this.forget(partition);
  }

  /** Looks again with the next record: letters were written of which it is not known whether they came through. */
  forget(partition: number): void {
    this.#found.delete(partition);
  }

  async has({ partition, offset, value }: Pick<LogRecord, 'partition' | 'offset' | 'value'>): Promise<boolean> {
    let found = this.#found.get(partition);
    if (!found) {
      found = this.#lookUp(partition, this.#from.get(partition) ?? 0);
      this.#found.set(partition, found);
      // What failed is tried again with the next.
      found.catch(() => this.#found.delete(partition));
    }
    return (await found).get(offset)?.includes(crc32(value)) === true;
  }

  async #lookUp(partition: number, from: number): Promise<ReadonlyMap<number, readonly number[]>> {
    const { log, topic, consumer, since = 0 } = this.#options;
    const letters = deadLetterTopicOf(topic);
    const found = new Map<number, number[]>();
    if ((await log.partitions(letters)) === undefined) return found;
    const [begins, ends] = await Promise.all([log.begin(letters), log.end(letters)]);
    const end = ends[0] ?? 0;
    const begin = Math.max(begins[0] ?? 0, end - MOST_LOOKED_AT);
    const start = `${topic}/${partition}@`;
    for (let to = end, size = FIRST_BLOCK; to > begin; size *= 4) {
      const blockBegin = Math.max(begin, to - size);
      let isBehind = false;
      for await (const { headers, timestamp, value } of readable(log, letters, blockBegin, to)) {
        const id = headers['millrace-dead-letter-id'];
        if (headers['millrace-dead-letter-consumer'] !== consumer || !id?.startsWith(start)) continue;
        if (timestamp < since) {
          isBehind = true;
          continue;
        }
        const offset = Number(id.slice(start.length));
        if (offset < from) {
          isBehind = true;
          continue;
        }
        const sums = found.get(offset);
        if (sums) sums.push(crc32(value));
        else found.set(offset, [crc32(value)]);
      }
      // A letter of before the checkpoint or the beginning: further back there are only such.
      if (isBehind) break;
      to = blockBegin;
    }
    return found;
  }
}

async function* readable(log: EventLog, topic: string, from: number, to: number): AsyncGenerator<LogRecord> {
  for (let next = from; next < to;) {
    try {
      yield* log.read(topic, 0, next, to);
      return;
    } catch (error) {
      const after = afterUnreadable(error);
      if (after === undefined) throw error;
      next = after;
    }
  }
}
