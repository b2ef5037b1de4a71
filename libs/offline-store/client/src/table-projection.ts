import {
  deadLetterOf,
  deadLetterTopic,
  LogConsumer,
  type BatchResult,
  type ConsumerObserver,
  type Decoded,
  type EventLog,
  type Item,
  type ItemBatch,
  type LogRecord,
} from '@millrace/event-log';
import { Fault, PositionWaiters, type Position, type Scheduler } from '@millrace/kernel';
import { BinaryBlock, binaryColumns, type BinaryRows } from './binary-block.js';
import type { Block } from './block.js';
import { messageOf } from './clickhouse-fault.js';
import { JsonBlock, type ProjectedRows } from './json-block.js';
import type { InsertLayout, OfflineStore } from './offline-store.js';
import { ProjectedPartition, type PartitionPort } from './projected-partition.js';
import { RowlessTails } from './rowless-tail.js';
import { checkTableShape } from './table-shape.js';

/** What a projection reports beside its consumer's own reports. */
export interface ProjectionObserver extends Partial<ConsumerObserver> {
  inserted?(projection: string, partition: number, rows: number, bytes: number, milliseconds: number): void;
  insertFailed?(projection: string, partition: number, reason: string, attempt: number): void;
}

export interface TableProjectionOptions<T> {
  readonly store: OfflineStore;
  readonly log: EventLog;
  /** `<domain>.<projection>`: name in metrics, logs and dead letters, and the group when shared. */
  readonly name: string;
  readonly topic: string;
  /** `millrace.<table>`. Its own columns, and `_topic`, `_partition`, `_offset` (and `_row` where a record gives several rows). */
  readonly table: string;
  readonly decode: (record: LogRecord) => Decoded<T>;
  /** A record's rows, without the position columns: made, or written by a layout. Pure; a throw puts the record into the dead letters. */
  readonly toRows: ((item: Item<T>) => ProjectedRows) | BinaryRows<T>;
  /** Called once per batch before its `toRows` calls, for what they need from a store. */
  readonly prepare?: (batch: ItemBatch<T>) => Promise<void>;
  /** Told where a partition starts, each time it is (re)assigned: nothing buffered before counts any more. */
  readonly onAssigned?: (partition: number, next: number) => void;
  /** Told as the table comes to hold everything before `next`. */
  readonly onStored?: (partition: number, next: number) => void;
  /** Share the topic's partitions with other processes of the same name. */
  readonly shared?: boolean;
  /** Another reader of the topic keeps the letters of what cannot be read. A record refused here has its letter in any case. Default: true. */
  readonly writesDeadLetters?: boolean;
  /** An insert is cut at so many rows, bytes, or milliseconds after its first row, whatever comes first; at once when somebody waits. */
  readonly maxRows?: number;
  readonly maxBytes?: number;
  /** Default: a second, and longer where inserts have become slow. */
  readonly maxAgeMs?: number;
  readonly maxBatchRecords?: number;
  readonly maxBatchBytes?: number;
  /** How long records may gather before they are read, unless somebody waits for them. Default: 0. */
  readonly lingerMs?: number;
  readonly observer?: ProjectionObserver;
  readonly scheduler: Scheduler;
  readonly now: () => number;
}

const POLL_MS = 50;
const SAME_TABLE_MS = 1000;
const DEFAULT_DEADLINE_MS = 10_000;
const AGE_MS = 1000;
/** A partition is gathered for this many times what an insert takes, so that inserting takes a few hundredths of the time. */
const GATHERING_PER_INSERT = 50;
const LONGEST_GATHERING_MS = 5000;

/**
 * A topic as a table, each record counted once, through kill -9. The table is its own checkpoint: the reader goes on after its
 * max(_offset), asked at the start, at every assignment and after every error whose outcome is not known. An insert is one atomic
 * block of one partition with a token that names its offsets. Nothing else is stored anywhere, so dropping the table and starting
 * again rebuilds it.
 *
 * A batch is acknowledged to the log when its rows are buffered, not when they are stored: the position that counts is the table's.
 * Per partition at most two blocks are held; when the store is slow, the log is read more slowly.
 */
export class TableProjection<T> {
  readonly #options: TableProjectionOptions<T>;
  readonly #partitions = new Map<number, ProjectedPartition>();
  readonly #waiters: PositionWaiters;
  readonly #port: PartitionPort;
  /** What a block is given of a record: its rows, or the record itself for a layout that writes them. */
  readonly #rowsOf: (item: Item<T>) => unknown;
  readonly #layout: InsertLayout | undefined;
  readonly #tails: RowlessTails;
  /** Other processes may wait for rows that this one puts in, and this one for theirs. */
  readonly #hasOthers: boolean;
  readonly #limits: { rows: number; bytes: number };
  /** Demands made of partitions that are not assigned yet. */
  readonly #early = new Map<number, number>();
  /** The age timers, by block. */
  readonly #timers = new Map<object, () => void>();
  #table = { uuid: '', asked: Number.NEGATIVE_INFINITY };
  #consumer: LogConsumer<T> | undefined;
  /** What the last insert took. */
  #insertMs = 0;
  #stopping = false;
  #restarting: Promise<void> | undefined;

  constructor(options: TableProjectionOptions<T>) {
    this.#options = options;
    this.#waiters = new PositionWaiters(options.scheduler);
    this.#tails = new RowlessTails(options);
    this.#hasOthers = options.shared === true && options.store.kind === 'server';
    this.#limits = { rows: options.maxRows ?? 50_000, bytes: options.maxBytes ?? 32 * 1024 * 1024 };
    const { topic, toRows } = options;
    this.#rowsOf = typeof toRows === 'function' ? toRows : (item) => item;
    this.#layout = typeof toRows === 'function' ? undefined : { format: 'RowBinary', columns: binaryColumns(toRows) };
    this.#port = {
      newBlock: (partition, expected) => newBlock(topic, partition, toRows, expected),
      insert: (range, partition) => this.#insert(range, partition),
      checkpoint: (partition) => this.#tails.checkpoint(partition),
      refuse: (partition, offset, reason) => this.#refuse(partition, offset, reason),
      failed: (partition, reason, attempt) => options.observer?.insertFailed?.(options.name, partition, reason, attempt),
      regressed: () => void this.restart().catch(() => undefined),
      stored: (partition, next, inTable) => {
        options.onStored?.(partition, next);
        if (this.#hasOthers) this.#tails.passed(partition, inTable, next);
        this.#waiters.passed(partition, next);
      },
      pause: (milliseconds) => new Promise((resolve) => void options.scheduler.after(milliseconds, resolve)),
      isStopping: () => this.#stopping,
    };
  }

  get name(): string {
    return this.#options.name;
  }

  get topic(): string {
    return this.#options.topic;
  }

  get table(): string {
    return this.#options.table;
  }

  async start(): Promise<void> {
    const { store, table } = this.#options;
    await checkTableShape(store, table);
    this.#stopping = false;
    await this.#begin();
  }

  /** Stops reading, puts in what is buffered, and leaves. What could not be put in is read again after the next start. */
  async stop(): Promise<void> {
    await this.#restarting;
    this.#stopping = true;
    await this.#consumer?.stop();
    await Promise.all([...this.#partitions.values()].map((partition) => partition.settle()));
    this.#tails.stop();
    this.#partitions.clear();
    this.#cancelTimers();
  }

  /** Forgets what it knows and asks the table again: after the table was dropped, truncated or restored. */
  restart(): Promise<void> {
    this.#restarting ??= (async () => {
      if (this.#stopping) return;
      for (const partition of this.#partitions.values()) void partition.abandon();
      await this.#consumer?.stop();
      this.#cancelTimers();
      await this.#begin();
    })().finally(() => (this.#restarting = undefined));
    return this.#restarting;
  }

  /** Records between the reader and the end of the log. */
  lag(): number {
    return this.#consumer?.lag() ?? 0;
  }

  assigned(): readonly number[] {
    return this.#consumer?.assigned() ?? [];
  }

  /** Next offset not yet in the table, by partition this process owns. */
  positions(): ReadonlyMap<number, number> {
    return new Map([...this.#partitions].filter(([, state]) => !state.isAbandoned).map(([partition, state]) => [partition, state.stored]));
  }

  /** Next offset by the table's own word, by partition; a partition without rows is left out. Can be asked before the start. */
  checkpoints(): Promise<ReadonlyMap<number, number>> {
    return this.#tails.checkpoints();
  }

  /** Resolves once the table holds `position`; what is buffered goes in at once. */
  async waitFor(position: Position, deadlineMs = DEFAULT_DEADLINE_MS): Promise<void> {
    const state = this.#owned(position.partition);
    if (state && state.stored > position.offset) return;
    const waiting = this.#hasOthers ? this.#waitPolling(position, deadlineMs) : this.#waiters.wait(position, deadlineMs);
    this.#consumer?.hurry();
    if (state) {
      state.demanded = Math.max(state.demanded, position.offset);
      void state.cut();
    } else this.#early.set(position.partition, Math.max(this.#early.get(position.partition) ?? -1, position.offset));
    await waiting;
  }

  /** The read barrier: everything the log holds now is in the table. */
  async barrier(deadlineMs = DEFAULT_DEADLINE_MS): Promise<void> {
    const { log, topic } = this.#options;
    const ends = await log.end(topic);
    await Promise.all(
      ends.flatMap((end, partition) => (end === 0 ? [] : [this.waitFor({ topic, partition, offset: end - 1 }, deadlineMs)])),
    );
  }

  /** Who the table is comes first: if it is replaced while the checkpoints are read, the first insert tells. */
  async #begin(): Promise<void> {
    this.#table = { uuid: await this.#tableUuid(), asked: Number.NEGATIVE_INFINITY };
    this.#consumer = this.#newConsumer();
    await this.#consumer.start();
  }

  #newConsumer(): LogConsumer<T> {
    const { log, name, topic, shared, writesDeadLetters, decode, observer, scheduler, now } = this.#options;
    const { maxBatchRecords, maxBatchBytes, lingerMs } = this.#options;
    return new LogConsumer<T>({
      log,
      name,
      topic,
      from: (partition) => this.#assign(partition),
      decode,
      handle: (batch) => this.#handle(batch),
      onRevoked: (partitions) => this.#revoke(partitions),
      scheduler,
      now,
      ...(shared ? { shared } : {}),
      ...(writesDeadLetters === undefined ? {} : { writesDeadLetters }),
      ...(observer ? { observer: fullObserver(observer) } : {}),
      ...(maxBatchRecords === undefined ? {} : { maxBatchRecords }),
      ...(maxBatchBytes === undefined ? {} : { maxBatchBytes }),
      ...(lingerMs === undefined ? {} : { lingerMs }),
    });
  }

  async #assign(partition: number): Promise<number> {
    const before = this.#partitions.get(partition);
    await before?.abandon();
    const next = await this.#tails.checkpoint(partition);
    const state = new ProjectedPartition(partition, next, this.#port);
    state.demanded = Math.max(before?.demanded ?? -1, this.#early.get(partition) ?? -1);
    this.#early.delete(partition);
    this.#options.onAssigned?.(partition, next);
    this.#partitions.set(partition, state);
    this.#waiters.passed(partition, next);
    return next;
  }

  async #revoke(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) {
      const state = this.#partitions.get(partition);
      this.#partitions.delete(partition);
      await state?.abandon();
    }
  }

  async #handle(batch: ItemBatch<T>): Promise<BatchResult> {
    const state = this.#partitions.get(batch.partition);
    if (!state || state.isAbandoned) return { kind: 'retry', reason: `partition ${batch.partition} is being given up` };
    await this.#options.prepare?.(batch);
    for (const item of batch.items) {
      if (item.record.offset < state.read) continue;
      try {
        state.add(item.record.offset, this.#rowsOf(item));
      } catch (error) {
        return { kind: 'dead-letter', record: item.record, reason: messageOf(error) };
      }
      if (state.block.rows >= this.#limits.rows || state.block.size >= this.#limits.bytes) {
        await state.cut();
        if (state.isAbandoned) return { kind: 'retry', reason: `partition ${batch.partition} was given up` };
      }
    }
    const before = state.stored;
    state.advance(batch.nextOffset);
    if (state.demanded >= before) void state.cut();
    else if (!state.block.isEmpty) this.#cutLater(state);
    return { kind: 'ok' };
  }

  /** One timer a block: set by its first rows, for nothing once it was cut by size. */
  #cutLater(state: ProjectedPartition): void {
    const block = state.block;
    if (this.#timers.has(block)) return;
    const cancel = this.#options.scheduler.after(this.#ageMs(), () => {
      this.#timers.delete(block);
      void state.cut(block);
    });
    this.#timers.set(block, cancel);
  }

  /** Small inserts cost nearly what large ones do: where they have become slow, rows are gathered for longer. */
  #ageMs(): number {
    const { maxAgeMs } = this.#options;
    return maxAgeMs ?? Math.max(AGE_MS, Math.min(LONGEST_GATHERING_MS, GATHERING_PER_INSERT * this.#insertMs));
  }

  #cancelTimers(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  async #insert(range: { bytes: Buffer; token: string; rows: number }, partition: number): Promise<void> {
    const { store, table, name, now, observer } = this.#options;
    await this.#checkSameTable();
    const started = now();
    await store.insert(table, range.bytes, range.token, this.#layout);
    this.#insertMs = now() - started;
    observer?.inserted?.(name, partition, range.rows, range.bytes.length, this.#insertMs);
  }

  /**
   * A table that was dropped and made again between two inserts would take the next block without a murmur, and its max(_offset)
   * would then hide what is missing before. So the table is asked who it is, at most once a second.
   */
  async #checkSameTable(): Promise<void> {
    const now = this.#options.now();
    if (now - this.#table.asked < SAME_TABLE_MS) return;
    const uuid = await this.#tableUuid();
    if (uuid !== this.#table.uuid) {
      void this.restart().catch(() => undefined);
      throw new Fault('MR_OFFLINE_TABLE_REPLACED', `${this.#options.table} was made anew; it is read again from its own checkpoint`, true);
    }
    this.#table.asked = now;
  }

  async #tableUuid(): Promise<string> {
    const [database, name] = this.#options.table.split('.') as [string, string];
    const [found] = await this.#options.store.query<{ uuid: string }>(
      'SELECT uuid FROM system.tables WHERE database = {database:String} AND name = {name:String}',
      { database, name },
    );
    return found?.uuid ?? '';
  }

  /** The letter carries the record as the log has it. */
  async #refuse(partition: number, offset: number, reason: string): Promise<void> {
    const { log, topic, name, now, observer } = this.#options;
    // A record that retention has taken meanwhile leaves an empty letter: that it was lost is on record too.
    let record: LogRecord = { topic, partition, offset, key: null, value: Buffer.alloc(0), headers: {}, timestamp: now() };
    for await (const found of log.read(topic, partition, offset, offset + 1)) record = found;
    const letter = deadLetterOf(record, name, { code: 'REFUSED', message: reason }, now());
    await log.ensureTopic(deadLetterTopic(topic));
    await log.append([letter]);
    observer?.deadLettered?.(name, record, `REFUSED: ${reason}`);
  }

  #owned(partition: number): ProjectedPartition | undefined {
    const state = this.#partitions.get(partition);
    return state?.isAbandoned ? undefined : state;
  }

  /** For as long as another process owns the partition, its rows come into the same table: the table is asked. */
  async #waitPolling(position: Position, deadlineMs: number): Promise<void> {
    const { partition } = position;
    const waiting = this.#waiters.wait(position, deadlineMs);
    let over = false;
    const done = waiting.finally(() => (over = true));
    void (async () => {
      while (!over) {
        if (!this.#owned(partition)) this.#waiters.passed(partition, await this.#tails.reached(partition).catch(() => 0));
        if (!over) await this.#port.pause(POLL_MS);
      }
    })();
    await done;
  }
}

function newBlock<T>(
  topic: string,
  partition: number,
  toRows: TableProjectionOptions<T>['toRows'],
  expected: number | undefined,
): Block<unknown> {
  return typeof toRows === 'function' ? new JsonBlock(topic, partition, expected) : new BinaryBlock(topic, partition, toRows, expected);
}

function fullObserver(observer: ProjectionObserver): ConsumerObserver {
  return {
    handled: (...report) => observer.handled?.(...report),
    deadLettered: (...report) => observer.deadLettered?.(...report),
    skipped: (...report) => observer.skipped?.(...report),
    retried: (...report) => observer.retried?.(...report),
  };
}
