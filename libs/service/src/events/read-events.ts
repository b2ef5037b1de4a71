import { afterUnreadable, type EventLog, type LogRecord } from '@millrace/event-log';
import type { Clock, Scheduler } from '@millrace/kernel';

export interface ReadEvents {
  readonly topic: string;
  readonly partition: number;
  /** An offset, or a place: its first record, or after its last one. Negative: that many before the end. */
  readonly from: number | 'beginning' | 'end';
  readonly limit: number;
  /** How long to wait for a record when there is none; 0 answers at once. */
  readonly waitMs: number;
}

export interface EventPage {
  readonly records: readonly LogRecord[];
  /** Where to go on. */
  readonly nextOffset: number;
  readonly end: number;
}

export interface EventReaderOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

const MOST_BYTES = 8 * 1024 * 1024;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 200;

/** Reads a piece of one partition, waiting for it to come if asked to. Keeps nothing between two calls: the caller holds the offset. */
export class EventReader {
  readonly #options: EventReaderOptions;
  #waiting = 0;

  constructor(options: EventReaderOptions) {
    this.#options = options;
  }

  /** Calls that wait for a record to come. */
  get waiting(): number {
    return this.#waiting;
  }

  /** `signal` ends the waiting with an empty page: the client has gone, or the process stops. */
  async read(options: ReadEvents, signal: AbortSignal): Promise<EventPage> {
    const { log } = this.#options;
    const { topic, partition, limit } = options;
    const begin = (await log.begin(topic))[partition] ?? 0;
    let end = (await log.end(topic))[partition] ?? 0;
    const from = Math.max(begin, startOf(options.from, begin, end));
    if (from >= end && options.waitMs > 0) end = await this.#waitBeyond(from, options, signal);
    const records: LogRecord[] = [];
    let bytes = 0;
    let nextOffset = from;
    if (from < end) {
      try {
        for await (const record of log.read(topic, partition, from, Math.min(end, from + limit))) {
          records.push(record);
          nextOffset = record.offset + 1;
          bytes += record.value.length;
          if (bytes >= MOST_BYTES) return { records, nextOffset, end };
        }
      } catch (error) {
        // The page ends before what nobody can read and the next one begins after it; its bytes are shown with the dead letters.
        const after = afterUnreadable(error);
        if (after === undefined) throw error;
        return { records, nextOffset: after, end };
      }
      // The log has gaps on Kafka (transaction markers): what was asked for has been read even when its last offsets held no record.
      nextOffset = Math.max(nextOffset, Math.min(end, from + limit));
    }
    return { records, nextOffset, end };
  }

  async #waitBeyond(offset: number, { topic, partition, waitMs }: ReadEvents, signal: AbortSignal): Promise<number> {
    const { log, clock } = this.#options;
    const deadline = clock.now() + waitMs;
    this.#waiting++;
    try {
      for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
        const end = (await log.end(topic))[partition] ?? 0;
        if (end > offset || signal.aborted || clock.now() >= deadline) return end;
        await this.#pause(Math.min(pause, Math.max(1, deadline - clock.now())), signal);
      }
    } finally {
      this.#waiting--;
    }
  }

  #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const stop = (): void => {
        cancel();
        resolve();
      };
      const cancel = this.#options.scheduler.after(milliseconds, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}

function startOf(from: ReadEvents['from'], begin: number, end: number): number {
  if (from === 'beginning') return begin;
  if (from === 'end') return end;
  return from < 0 ? end + from : from;
}
