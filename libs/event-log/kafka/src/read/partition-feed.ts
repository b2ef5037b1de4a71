import type { LogBatch, LogRecord, SubscribeOptions, UnreadableRecord } from '@millrace/event-log';
import type { FetchedPartition } from '../wire/fetch-request.js';
import { BackOff, Pause } from '../pause.js';
import { recordsOf, type RawBatch } from '../wire/record-batch-reader.js';
import { TransactionFilter, type FetchedBatch } from '../wire/transaction-filter.js';

export interface FeedOptions {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the first record to hand over. */
  readonly from: number;
  /** The partition's end when the feed began. */
  readonly end: number;
  readonly maxBatchRecords: number;
  readonly maxBatchBytes: number;
  readonly onBatch: SubscribeOptions['onBatch'];
  readonly onUnreadable: SubscribeOptions['onUnreadable'];
  /** A handler's rejection, for whoever watches over the subscription. */
  readonly onRejected: (error: unknown) => void;
  /** The feed has room for more. */
  readonly onHungry: () => void;
  /** The calls of an earlier feed of the partition: one call at a time, whoever owned it before. */
  readonly after: Promise<void>;
}

/** Fetched bytes that may wait for the handler; beyond it nothing more is fetched. */
const ENOUGH_BYTES = 4 * 1024 * 1024;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 5000;

/** What is handed over next: records, or a batch nobody can read. */
type Delivery =
  { readonly kind: 'batch'; readonly batch: LogBatch } | { readonly kind: 'unreadable'; readonly unreadable: UnreadableRecord };

/**
 * One partition on its way from the fetches to the handler: keeps what was fetched, reads it batch by batch, hands it over in order,
 * again when it was rejected, and steps over what cannot be read. Once closed it hands over nothing more.
 */
export class PartitionFeed {
  readonly partition: number;
  readonly #options: FeedOptions;
  /** Fetched and not read yet. */
  #raw: FetchedBatch[] = [];
  #rawBytes = 0;
  /** Read and not handed over yet, from `#cursor` on. */
  #records: LogRecord[] = [];
  #cursor = 0;
  /** Where a reader stands who has all of `#records`. */
  #readTo: number;
  #deliveredTo: number;
  #fetchTo: number;
  #end: number;
  readonly #transactions = new TransactionFilter();
  #isClosed = false;
  #isResting = false;
  #arrived: (() => void) | undefined;
  readonly #pause = new Pause();
  readonly #done: Promise<void>;

  constructor(options: FeedOptions) {
    this.partition = options.partition;
    this.#options = options;
    this.#readTo = this.#deliveredTo = this.#fetchTo = options.from;
    this.#end = options.end;
    this.#done = options.after.then(() => this.#run());
  }

  get fetchFrom(): number {
    return this.#fetchTo;
  }

  get isHungry(): boolean {
    return !this.#isClosed && !this.#isResting && this.#rawBytes < ENOUGH_BYTES;
  }

  /** Settled when the last call of the handler is. */
  get settled(): Promise<void> {
    return this.#done;
  }

  lag(): number {
    return Math.max(0, this.#end - this.#deliveredTo);
  }

  /** Takes in an answer to a fetch from `from`; one that was overtaken by a jump or a closing is dropped. */
  offer(from: number, fetched: FetchedPartition): void {
    if (this.#isClosed || from !== this.#fetchTo) return;
    this.#end = Math.max(this.#end, fetched.end);
    for (const batch of this.#transactions.batchesOf(fetched)) {
      if (batch.raw.lastOffset < this.#fetchTo) continue;
      this.#fetchTo = batch.raw.lastOffset + 1;
      this.#raw.push(batch);
      this.#rawBytes += batch.raw.bytes.length;
    }
    this.#arrived?.();
  }

  /** Goes on at `offset`: what lay between is gone from the log. */
  jump(offset: number): void {
    this.#fetchTo = offset;
  }

  /** Nothing is fetched for a while: the partition cannot be read at the moment. */
  rest(milliseconds: number): void {
    this.#isResting = true;
    void this.#pause.for(milliseconds).then(() => {
      this.#isResting = false;
      this.#options.onHungry();
    });
  }

  /** Hands over nothing more. Resolves when the running call has settled. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#raw = [];
    this.#records = [];
    this.#pause.end();
    this.#arrived?.();
    return this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const wasHungry = this.isHungry;
      const delivery = this.#next();
      if (!wasHungry && this.isHungry) this.#options.onHungry();
      if (delivery) await this.#deliver(delivery);
      else await this.#arrival();
    }
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrived = () => {
        this.#arrived = undefined;
        resolve();
      };
    });
  }

  #next(): Delivery | undefined {
    const { maxBatchRecords } = this.#options;
    let passedEmpty = false;
    while (this.#records.length - this.#cursor < maxBatchRecords) {
      const fetched = this.#raw[0];
      if (!fetched) break;
      const { raw: batch, counts } = fetched;
      const read = counts ? this.#read(batch) : [];
      // What was read before the unreadable batch goes first, so that order holds.
      if (read instanceof Error && this.#cursor < this.#records.length) break;
      this.#raw.shift();
      this.#rawBytes -= batch.bytes.length;
      this.#readTo = batch.lastOffset + 1;
      if (read instanceof Error) return { kind: 'unreadable', unreadable: this.#unreadable(batch, read) };
      passedEmpty ||= read.length === 0;
      this.#append(read);
    }
    if (this.#cursor < this.#records.length) return { kind: 'batch', batch: this.#cut() };
    // Ends of transactions, aborted and compacted records: nothing to handle, but the reader has passed them and must know.
    return passedEmpty ? { kind: 'batch', batch: this.#batch([], this.#readTo) } : undefined;
  }

  #append(records: LogRecord[]): void {
    if (this.#cursor === this.#records.length) {
      this.#records = records;
      this.#cursor = 0;
    } else if (records.length > 0) {
      this.#records = [...this.#records.slice(this.#cursor), ...records];
      this.#cursor = 0;
    }
  }

  #read(batch: RawBatch): LogRecord[] | Error {
    try {
      return recordsOf(this.#options.topic, this.partition, batch, this.#readTo);
    } catch (error) {
      // Told apart by `instanceof` above, so it must be an Error of this realm.
      return new Error(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  #unreadable(batch: RawBatch, error: Error): UnreadableRecord {
    const { topic, partition } = this.#options;
    const reason =
      batch.lastOffset > batch.baseOffset
        ? `the batch of offsets ${batch.baseOffset} to ${batch.lastOffset} cannot be read: ${error.message}`
        : `the record cannot be read: ${error.message}`;
    return { topic, partition, offset: batch.baseOffset, nextOffset: batch.lastOffset + 1, bytes: batch.bytes, reason };
  }

  /** As many read records as the bounds allow, at least one. */
  #cut(): LogBatch {
    const { maxBatchRecords, maxBatchBytes } = this.#options;
    const start = this.#cursor;
    const most = Math.min(this.#records.length, start + maxBatchRecords);
    let bytes = 0;
    let end = start;
    while (end < most) {
      bytes += (this.#records[end] as LogRecord).value.length;
      if (bytes > maxBatchBytes && end > start) break;
      end++;
    }
    this.#cursor = end;
    const isAll = end === this.#records.length;
    const nextOffset = isAll ? this.#readTo : (this.#records[end - 1] as LogRecord).offset + 1;
    const records = start === 0 && isAll ? this.#records : this.#records.slice(start, end);
    if (isAll) {
      this.#records = [];
      this.#cursor = 0;
    }
    return this.#batch(records, nextOffset);
  }

  #batch(records: readonly LogRecord[], nextOffset: number): LogBatch {
    const { topic, partition } = this.#options;
    return { topic, partition, records, nextOffset, end: Math.max(this.#end, nextOffset) };
  }

  /** Hands over until it is taken: a rejection means "again", and nothing overtakes it. */
  async #deliver(delivery: Delivery): Promise<void> {
    const backOff = new BackOff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    while (!this.#isClosed) {
      try {
        if (delivery.kind === 'batch') await this.#options.onBatch(delivery.batch);
        else await this.#options.onUnreadable?.(delivery.unreadable);
        this.#deliveredTo = delivery.kind === 'batch' ? delivery.batch.nextOffset : this.#readTo;
        return;
      } catch (error) {
        this.#options.onRejected(error);
        await this.#pause.for(backOff.next());
      }
    }
  }
}
