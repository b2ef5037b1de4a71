import type { Scheduler } from '@millrace/kernel';
import type { Parsed } from './cloud-events.js';
import { deadLetterOf, deadLetterTopic, type DeadLetterReason } from './dead-letters.js';
import type { EventLog, LogBatch, LogRecord, Subscription } from './event-log.js';
import type { Result } from './result.js';
import { WrittenLetters } from './written-letters.js';

/** One record that could be decoded. */
export interface Item<T> {
  readonly record: LogRecord;
  readonly value: T;
}

/** Decoded records of one partition in order; what could not be decoded is in the dead letters already. */
export interface ItemBatch<T> {
  readonly topic: string;
  readonly partition: number;
  readonly items: readonly Item<T>[];
  /** Offset after the batch, counting also what was skipped or dead-lettered: the checkpoint to store with the effect. */
  readonly nextOffset: number;
  readonly end: number;
}

/**
 * `ok`: effect and checkpoint are stored. `retry`: nothing was, the same batch comes again.
 * `dead-letter` and `skip` name the one record they are about; the batch comes again without it.
 */
export type BatchResult =
  | { readonly kind: 'ok' }
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number }
  | { readonly kind: 'dead-letter' | 'skip'; readonly reason: string; readonly record: LogRecord };

/** Decoding: a value, a reason for the dead letters, or `skip` for what is well-formed but not this reader's. */
export type Decoded<T> = Parsed<T> | { readonly ok: 'skip'; readonly reason: string };

/** What a consumer reports; the service kit turns it into metrics and log lines. */
export interface ConsumerObserver {
  handled(consumer: string, batch: LogBatch, items: number, milliseconds: number): void;
  deadLettered(consumer: string, record: { topic: string; partition: number; offset: number }, reason: string): void;
  skipped(consumer: string, record: LogRecord, reason: string): void;
  retried(consumer: string, batch: LogBatch, reason: string, attempt: number): void;
}

export interface LogConsumerOptions<T> {
  readonly log: EventLog;
  /** Name in metrics, logs and dead letters, and the group when one is used: `<domain>.<projection>`. */
  readonly name: string;
  readonly topic: string;
  /** Share partitions with other processes of the same name. Without it this process reads all of them. */
  readonly shared?: boolean;
  readonly from: (partition: number) => number | Promise<number>;
  readonly decode: (record: LogRecord) => Decoded<T>;
  readonly handle: (batch: ItemBatch<T>) => Promise<BatchResult>;
  readonly onRevoked?: (partitions: readonly number[]) => void | Promise<void>;
  /**
   * Of several readers of a topic one keeps the letters of what cannot be read or decoded; the others only count it. What a handler
   * refuses has its letter in any case, since no other reader would write it. Default: true.
   */
  readonly writesDeadLetters?: boolean;
  readonly maxBatchRecords?: number;
  readonly maxBatchBytes?: number;
  /** How long records may gather before they are handled, unless {@link LogConsumer.hurry} is called. Default: 0. */
  readonly lingerMs?: number;
  readonly observer?: ConsumerObserver;
  readonly scheduler: Scheduler;
  readonly now: () => number;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 10_000;

/**
 * The loop every projection and reactor runs in: decode, put aside what is bad (durably, before the checkpoint moves past it),
 * hand over the rest in order, repeat what must be retried. It never throws into the log's client and never drops a record.
 */
export class LogConsumer<T> {
  readonly #options: LogConsumerOptions<T>;
  readonly #letters: WrittenLetters;
  readonly #paused = new Set<() => void>();
  #subscription: Subscription | undefined;
  #stopping = false;

  constructor(options: LogConsumerOptions<T>) {
    this.#options = options;
    this.#letters = new WrittenLetters({ log: options.log, topic: options.topic, consumer: options.name });
  }

  get name(): string {
    return this.#options.name;
  }

  async start(): Promise<void> {
    const { log, topic, name, shared, from, onRevoked, maxBatchRecords, maxBatchBytes, lingerMs } = this.#options;
    this.#subscription = await log.subscribe({
      topic,
      from: async (partition) => {
        const next = await from(partition);
        this.#letters.begin(partition, next);
        return next;
      },
      onBatch: (batch) => this.#onBatch(batch),
      onUnreadable: async (bad) => {
        const reason = { code: 'UNREADABLE', message: bad.reason } as const;
        await this.#putAside(
          { ...bad, key: null, value: bad.bytes ?? Buffer.alloc(0), headers: {}, timestamp: this.#options.now() },
          reason,
        );
        // Nothing to handle, but who waits for the end of the log has to hear that it was passed.
        const { topic, partition, nextOffset } = bad;
        await this.#onBatch({ topic, partition, records: [], nextOffset, end: nextOffset });
      },
      ...(shared ? { group: name } : {}),
      ...(onRevoked ? { onRevoked } : {}),
      ...(maxBatchRecords === undefined ? {} : { maxBatchRecords }),
      ...(maxBatchBytes === undefined ? {} : { maxBatchBytes }),
      ...(lingerMs === undefined ? {} : { lingerMs }),
    });
  }

  /** Somebody waits for what is on the log now. */
  hurry(): void {
    this.#subscription?.hurry();
  }

  /** Records between this reader and the end of the log. */
  lag(): number {
    return this.#subscription?.lag() ?? 0;
  }

  assigned(): readonly number[] {
    return this.#subscription?.assigned() ?? [];
  }

  /** Lets the running batch settle, then stops. A batch that is waiting to be retried is given up: it comes again after the next start. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const goOn of this.#paused) goOn();
    await this.#subscription?.stop();
  }

  async #onBatch(batch: LogBatch): Promise<void> {
    const { name, decode, handle, observer, now } = this.#options;
    const started = now();
    let items: Item<T>[] = [];
    for (const record of batch.records) {
      const decoded = this.#decode(decode, record);
      if (decoded.ok === true) items.push({ record, value: decoded.value });
      else if (decoded.ok === 'skip') observer?.skipped(name, record, decoded.reason);
      else await this.#putAside(record, { code: 'UNDECODABLE', message: decoded.reason });
    }
    for (let attempt = 1; ; attempt++) {
      const { topic, partition, nextOffset, end } = batch;
      const result = existing(await this.#handle(handle, { topic, partition, items, nextOffset, end }), items);
      if (result.kind === 'ok') {
        observer?.handled(name, batch, items.length, now() - started);
        return;
      }
      if (result.kind !== 'retry') {
        items = items.filter((item) => item.record.offset !== result.record.offset);
        if (result.kind === 'skip') observer?.skipped(name, result.record, result.reason);
        else await this.#putAside(result.record, { code: 'REFUSED', message: result.reason });
        continue;
      }
      observer?.retried(name, batch, result.reason, attempt);
      if (!this.#stopping) await this.#pause(result.afterMs ?? Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS));
      if (this.#stopping) throw new Error(`${name} is stopping; the batch at ${topic}/${partition}@${nextOffset} comes again`);
    }
  }

  /** A decoder that throws is a bug, but the record must not stop the log for it. */
  #decode(decode: (record: LogRecord) => Decoded<T>, record: LogRecord): Decoded<T> {
    try {
      return decode(record);
    } catch (error) {
      return { ok: false, reason: `the decoder failed: ${messageOf(error)}` };
    }
  }

  /** A handler that throws is treated as one that asks to retry: the partition waits, nothing is lost, the metric rises. */
  async #handle(handle: (batch: ItemBatch<T>) => Promise<BatchResult>, batch: ItemBatch<T>): Promise<BatchResult> {
    try {
      return await handle(batch);
    } catch (error) {
      return { kind: 'retry', reason: messageOf(error) };
    }
  }

  async #putAside(record: LogRecord, reason: DeadLetterReason): Promise<void> {
    const { log, name, observer, writesDeadLetters = true, now } = this.#options;
    observer?.deadLettered(name, record, `${reason.code}: ${reason.message}`);
    if (!writesDeadLetters && reason.code !== 'REFUSED') return;
    for (let attempt = 1; ; attempt++) {
      try {
        if (await this.#letters.has(record)) return;
        const letter = deadLetterOf(record, name, reason, now());
        await log.ensureTopic(deadLetterTopic(record.topic));
        await log.append([letter]);
        return;
      } catch (error) {
        this.#letters.forget(record.partition);
        if (this.#stopping) throw error;
        await this.#pause(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS));
      }
    }
  }

  /** Ends early when the consumer is stopped. */
  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.scheduler.after(milliseconds, () => goOn());
      const goOn = () => {
        cancel();
        this.#paused.delete(goOn);
        resolve();
      };
      this.#paused.add(goOn);
    });
  }
}

/** Adapts a per-record handler to the batch form: stops at the first record that is not done, so order holds. */
export function oneByOne<T>(handle: (item: Item<T>) => Promise<Result>): (batch: ItemBatch<T>) => Promise<BatchResult> {
  const done = new Map<number, number>();
  return async (batch) => {
    for (const item of batch.items) {
      if (item.record.offset < (done.get(batch.partition) ?? 0)) continue;
      const result = await handle(item);
      if (result.kind === 'retry') return result;
      if (result.kind !== 'ok') return { ...result, record: item.record };
      done.set(batch.partition, item.record.offset + 1);
    }
    return { kind: 'ok' };
  };
}

/** A handler that gives up a record it was not given would be asked for ever; it is held up instead, where it can be seen. */
function existing<T>(result: BatchResult, items: readonly Item<T>[]): BatchResult {
  if (result.kind === 'ok' || result.kind === 'retry') return result;
  const { offset } = result.record;
  if (items.some((item) => item.record.offset === offset)) return result;
  return { kind: 'retry', reason: `the handler gave up offset ${offset}, which is not in its batch` };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
