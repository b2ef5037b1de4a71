import type { BatchResult, EventLog, ItemBatch, LogConsumer, LogRecord } from '@millrace/event-log';
import type { SourceEvent, ViewPlan } from '@millrace/feature-engine';
import type { Scheduler } from '@millrace/kernel';
import type { OnlineStore } from '@millrace/online-store';
import type { LogConsumers } from '@millrace/service';
import { OnlinePartition } from './online-partition.js';
import type { SourceReader } from '../sources/source-record.js';

export interface OnlineProjectionOptions {
  readonly source: string;
  readonly topic: string;
  readonly reader: SourceReader;
  readonly log: EventLog;
  readonly store: OnlineStore;
  readonly consumers: LogConsumers;
  readonly scheduler: Scheduler;
  readonly maxCachedEvents: number;
  readonly observer: OnlineProjectionObserver;
}

export interface OnlineProjectionObserver {
  applied(plan: ViewPlan, partition: number, nextOffset: number): void;
  /** The projection reads again from the stored checkpoints. */
  restarted(source: string, reason: string): void;
  failed(source: string, view: string, error: unknown): void;
}

const BATCH_RECORDS = 10_000;
/** How often an idle projection looks whether the store still holds what it wrote. */
const VERIFY_MS = 1_000;

/**
 * A source's events into the online store, for all its online views at once: each record is read and decoded one time. Processes share the
 * partitions; the checkpoints are in the store, written with the values in one step, so no event is lost or counted twice through
 * crashes, rebalances and an emptied store.
 */
export class OnlineProjection {
  readonly #options: OnlineProjectionOptions;
  readonly #partitions = new Map<number, OnlinePartition>();
  #plans: readonly ViewPlan[];
  #consumer: LogConsumer<SourceEvent> | undefined;
  #isStopped = false;
  #restarting: Promise<void> | undefined;
  #cancelVerify: () => void = () => undefined;

  constructor(options: OnlineProjectionOptions, plans: readonly ViewPlan[]) {
    this.#options = options;
    this.#plans = plans;
  }

  get name(): string {
    return `features.${this.#options.source}.online`;
  }

  async start(): Promise<void> {
    await this.#begin();
    this.#verifyLater();
  }

  /** Takes up new views, drops those that are gone; the others notice nothing. */
  async change(plans: readonly ViewPlan[]): Promise<void> {
    this.#plans = plans;
    await Promise.all([...this.#partitions.values()].map((partition) => partition.change(plans)));
  }

  /** Views, of those that count, that are not yet where the log is being read, by partition of this process. */
  behind(counts: (view: string) => boolean): string[] {
    return [...this.#partitions].flatMap(([partition, state]) =>
      state.behind().flatMap((view) => (counts(view) ? [`${view}/${partition}`] : [])),
    );
  }

  lag(): number {
    return this.#consumer?.lag() ?? 0;
  }

  assigned(): readonly number[] {
    return this.#consumer?.assigned() ?? [];
  }

  /** Next offset to read, by partition of this process. */
  positions(): ReadonlyMap<number, number> {
    return new Map([...this.#partitions].map(([partition, state]) => [partition, state.nextOffset]));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelVerify();
    await this.#restarting;
    await this.#end();
  }

  async #begin(): Promise<void> {
    const { consumers, topic, reader } = this.#options;
    this.#consumer = await consumers.add<SourceEvent>({
      name: this.name,
      topic,
      shared: true,
      // The projection into the source's table reads the same records and keeps the letters.
      writesDeadLetters: false,
      // Readiness is told by whoever runs this projection: it also has views to bring up.
      mustCatchUp: false,
      maxBatchRecords: BATCH_RECORDS,
      from: (partition) => this.#assign(partition),
      decode: (record) => reader.decode(record),
      handle: (batch) => this.#handle(batch),
      onRevoked: (partitions) => this.#revoke(partitions),
    });
  }

  async #end(): Promise<void> {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    for (const partition of this.#partitions.values()) await partition.close();
    if (consumer) await this.#options.consumers.remove(consumer);
    this.#partitions.clear();
  }

  async #assign(partition: number): Promise<number> {
    const { topic, log, store, scheduler, maxCachedEvents, observer, reader, source } = this.#options;
    await this.#partitions.get(partition)?.close();
    const state = new OnlinePartition({
      partition,
      store,
      maxCachedEvents,
      read: (from, to) => log.read(topic, partition, from, to),
      decode: (records: readonly LogRecord[]) =>
        records.flatMap((record) => {
          const decoded = reader.decode(record);
          return decoded.ok === true ? [decoded.value] : [];
        }),
      lost: (reason) => this.#restart(reason),
      applied: (plan, at, nextOffset) => observer.applied(plan, at, nextOffset),
      failed: (plan, error) => observer.failed(source, plan.name, error),
      pause: (milliseconds) => new Promise((resolve) => void scheduler.after(milliseconds, resolve)),
    });
    const next = await state.open(this.#plans);
    this.#partitions.set(partition, state);
    return next;
  }

  async #revoke(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) {
      const state = this.#partitions.get(partition);
      this.#partitions.delete(partition);
      await state?.close();
    }
  }

  async #handle(batch: ItemBatch<SourceEvent>): Promise<BatchResult> {
    const state = this.#partitions.get(batch.partition);
    if (!state) return { kind: 'retry', reason: `partition ${batch.partition} is being given up` };
    const reason = await state.apply(
      batch.items.map((item) => item.value),
      batch.nextOffset,
    );
    return reason === undefined ? { kind: 'ok' } : { kind: 'retry', reason };
  }

  /** Leaves and comes again: every partition asks the store where it stands. */
  #restart(reason: string): void {
    if (this.#isStopped || this.#restarting) return;
    this.#options.observer.restarted(this.#options.source, reason);
    this.#restarting = (async () => {
      for (let pause = 50; !this.#isStopped; pause = Math.min(pause * 2, 5_000)) {
        try {
          await this.#end();
          await this.#begin();
          return;
        } catch (error) {
          this.#options.observer.failed(this.#options.source, '', error);
          await new Promise<void>((resolve) => void this.#options.scheduler.after(pause, resolve));
        }
      }
    })().finally(() => (this.#restarting = undefined));
  }

  #verifyLater(): void {
    this.#cancelVerify = this.#options.scheduler.after(VERIFY_MS, () => {
      void (async () => {
        // A store that cannot be reached says nothing about what it holds.
        for (const partition of this.#partitions.values()) await partition.verify().catch(() => undefined);
        if (!this.#isStopped) this.#verifyLater();
      })();
    });
  }
}
