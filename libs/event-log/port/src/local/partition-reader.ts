import type { Scheduler } from '@millrace/kernel';
import type { LogRecord, SubscribeOptions, UnreadableRecord } from '../event-log.js';

/** What a log that lives in this process offers its readers. */
export interface RecordSource {
  /** Partition count of a topic, or `undefined` when there is no such topic. */
  partitions(topic: string): number | undefined;
  /** The partition's end. */
  end(topic: string, partition: number): number;
  /** Records from `from` on, within the limits but at least one; `undefined` when there is none yet. */
  fetch(request: FetchRequest): Promise<Fetched | undefined> | Fetched | undefined;
}

export interface FetchRequest {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly maxRecords: number;
  readonly maxBytes: number;
}

export interface Fetched {
  readonly records: readonly LogRecord[];
  readonly nextOffset: number;
  /** In place of records: bytes that could not be read. */
  readonly unreadable?: UnreadableRecord;
  /** True when the fetch itself has let other work run, or will not be repeated at once: the reader need not yield. */
  readonly fresh?: boolean;
}

const DEFAULT_BATCH_RECORDS = 1000;
const DEFAULT_BATCH_BYTES = 1024 * 1024;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;

/** Reads one partition for one subscription: fetch, hand over, repeat what was rejected, wait for more. */
export class PartitionReader {
  #next = 0;
  #stopping = false;
  #woken = false;
  #wake: (() => void) | undefined;
  #hurried = false;
  #endLinger: (() => void) | undefined;
  readonly #done: Promise<void>;

  constructor(
    private readonly source: RecordSource,
    private readonly scheduler: Scheduler,
    private readonly options: SubscribeOptions,
    private readonly partition: number,
  ) {
    this.#done = this.#run();
  }

  /** Offset of the first record that was not handed over and taken. */
  get unreadFrom(): number {
    return this.#next;
  }

  lag(): number {
    return Math.max(0, this.source.end(this.options.topic, this.partition) - this.#next);
  }

  /** Tells that there may be something to read. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Somebody waits for what is there: it is read without gathering. */
  hurry(): void {
    this.#hurried = true;
    this.#endLinger?.();
  }

  /** Resolves when the running batch has settled; no batch comes after it. */
  stop(): Promise<void> {
    this.#stopping = true;
    this.wake();
    this.hurry();
    return this.#done;
  }

  async #run(): Promise<void> {
    const { topic, from, maxBatchRecords = DEFAULT_BATCH_RECORDS, maxBatchBytes = DEFAULT_BATCH_BYTES } = this.options;
    await this.#insist(async () => {
      this.#next = await from(this.partition);
    });
    while (!this.#stopping) {
      this.#woken = false;
      const request = { topic, partition: this.partition, from: this.#next, maxRecords: maxBatchRecords, maxBytes: maxBatchBytes };
      let fetched: Fetched | undefined;
      await this.#insist(async () => {
        fetched = await this.source.fetch(request);
      });
      if (this.#stopping) return;
      if (!fetched) await this.#sleep();
      else if (await this.#insist(() => this.#deliver(fetched as Fetched))) {
        this.#next = fetched.nextOffset;
        // A long catch-up whose every step is ready at once would keep timers and sockets waiting.
        if (!fetched.fresh) await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  async #deliver(fetched: Fetched): Promise<void> {
    const { topic, onBatch, onUnreadable } = this.options;
    if (fetched.unreadable) {
      await onUnreadable?.(fetched.unreadable);
      return;
    }
    const end = Math.max(fetched.nextOffset, this.source.end(topic, this.partition));
    await onBatch({ topic, partition: this.partition, records: fetched.records, nextOffset: fetched.nextOffset, end });
  }

  /** Repeats what rejects, with growing pauses, until it is done (true) or the reader is stopped (false). */
  async #insist(step: () => Promise<void>): Promise<boolean> {
    for (let pause = FIRST_PAUSE_MS; !this.#stopping; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        await step();
        return true;
      } catch {
        await this.#pause(pause);
      }
    }
    return false;
  }

  /** Until woken, or not at all when woken since the last fetch began; then for as long as records may gather. */
  async #sleep(): Promise<void> {
    if (!this.#woken) {
      this.#hurried = false;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
    const { lingerMs = 0 } = this.options;
    if (lingerMs <= 0 || this.#hurried) return;
    let cancel: (() => void) | undefined;
    await new Promise<void>((resolve) => {
      this.#endLinger = resolve;
      cancel = this.scheduler.after(lingerMs, resolve);
    });
    this.#endLinger = undefined;
    cancel?.();
  }

  /** For `milliseconds`, or until the reader is stopped. */
  async #pause(milliseconds: number): Promise<void> {
    let over = false;
    const cancel = this.scheduler.after(milliseconds, () => {
      over = true;
      this.#wake?.();
    });
    while (!over && !this.#stopping) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.#wake = undefined;
    cancel();
  }
}
