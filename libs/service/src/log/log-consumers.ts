import type { Clock, Scheduler } from '@millrace/kernel';
import {
  LogConsumer,
  type ConsumerObserver,
  type EventLog,
  type ItemBatch,
  type LogBatch,
  type LogConsumerOptions,
} from '@millrace/event-log';
import type { Logger } from 'pino';
import type { Health } from '../host/health.js';
import type { Lifecycle } from '../host/lifecycle.js';
import type { Metrics } from '../telemetry/metrics.js';
import { traced } from '../telemetry/traced-batch.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { CatchUp } from './catch-up.js';
import { Sparing } from './sparing.js';

/** What the kit adds to a {@link LogConsumer} is left out: the log, the clock, the scheduler and the observer. */
export type AddConsumer<T> = Omit<LogConsumerOptions<T>, 'log' | 'scheduler' | 'now' | 'observer'> & {
  /** Readiness waits until this consumer has read what was on the log when it started. Default: true. */
  readonly mustCatchUp?: boolean;
};

/** A loop with work to do that neither finishes nor retries a batch for this long is hung. */
const STALLED_AFTER_MS = 5 * 60_000;

export interface LogConsumersOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
}

/**
 * Runs consumers: starts them, stops them before what they write into is closed, counts and times what they do, lets readiness wait for
 * them and liveness watch them, and puts each batch under the traces its records belong to.
 */
export class LogConsumers {
  readonly #options: LogConsumersOptions;
  readonly #names = new Set<string>();

  constructor(options: LogConsumersOptions) {
    this.#options = options;
  }

  /** Makes and starts a consumer. Its name has to be the only one of its kind in this process. */
  async add<T>(options: AddConsumer<T>): Promise<LogConsumer<T>> {
    const { log, clock, scheduler, telemetry, lifecycle } = this.#options;
    const { mustCatchUp = true, ...rest } = options;
    if (this.#names.has(rest.name)) throw new Error(`there is already a consumer called ${rest.name} in this process`);
    this.#names.add(rest.name);
    const watch = this.#watch(rest.name, rest.topic);
    const catchUp = mustCatchUp ? await CatchUp.start(log, rest.topic) : undefined;
    const handle = traced(telemetry, rest.name, rest.handle);
    const consumer = new LogConsumer<T>({
      ...rest,
      log,
      scheduler,
      now: () => clock.now(),
      observer: watch.observer,
      handle: async (batch: ItemBatch<T>) => {
        const result = await handle(batch);
        if (result.kind === 'ok') catchUp?.passed(batch.partition, batch.nextOffset);
        return result;
      },
    });
    this.#observe(consumer, rest.name, rest.topic, watch);
    lifecycle.add('consumers', rest.name, () => this.#stop(consumer));
    await consumer.start();
    if (catchUp) this.#options.health.catchUp(rest.name, () => catchUp.missing(consumer.assigned()));
    return consumer;
  }

  /** Stops one consumer before the process ends, e.g. because its resource was deleted; its name is free again. */
  async remove<T>(consumer: LogConsumer<T>): Promise<void> {
    await this.#stop(consumer);
    this.#names.delete(consumer.name);
  }

  async #stop<T>(consumer: LogConsumer<T>): Promise<void> {
    this.#options.health.forget(consumer.name);
    await consumer.stop();
  }

  #observe<T>(consumer: LogConsumer<T>, name: string, topic: string, watch: Watch): void {
    const { clock, metrics, health } = this.#options;
    metrics.onScrape(name, () => {
      metrics.consumerLag.set({ consumer: name, topic }, consumer.lag());
      if (watch.newest > 0) metrics.consumerAge.set({ consumer: name, topic }, Math.max(0, clock.now() - watch.newest) / 1000);
    });
    health.watch(name, () => {
      if (consumer.lag() === 0) watch.activeAt = clock.now();
      const idle = clock.now() - watch.activeAt;
      return idle > STALLED_AFTER_MS ? `${consumer.lag()} records behind and no batch settled for ${Math.round(idle / 1000)} s` : undefined;
    });
  }

  #watch(name: string, topic: string): Watch {
    const { clock, metrics, logger } = this.#options;
    const labels = { consumer: name, topic };
    const log = logger.child({ consumer: name });
    // A poisoned topic may hold a million bad records: each is counted and kept, one line a second is written.
    const sparing = new Sparing(clock, 1000);
    const watch: Watch = {
      newest: 0,
      activeAt: clock.now(),
      observer: {
        handled(_consumer: string, batch: LogBatch, items: number, milliseconds: number) {
          watch.activeAt = clock.now();
          const last = batch.records.at(-1);
          if (last) watch.newest = Math.max(watch.newest, last.timestamp);
          if (items > 0) metrics.consumerRecords.inc({ ...labels, outcome: 'handled' }, items);
          metrics.consumerSeconds.observe(labels, milliseconds / 1000);
        },
        deadLettered(_consumer, record, reason) {
          metrics.consumerRecords.inc({ ...labels, outcome: 'dead_lettered' });
          const { topic: from, partition, offset } = record;
          sparing.run('dead-letter', (unsaid) =>
            log.warn({ topic: from, partition, offset, reason, unsaid }, 'record put to the dead letters'),
          );
        },
        skipped(_consumer, record, reason) {
          metrics.consumerRecords.inc({ ...labels, outcome: 'skipped' });
          log.debug({ topic: record.topic, partition: record.partition, offset: record.offset, reason }, 'record skipped');
        },
        retried(_consumer, batch, reason, attempt) {
          watch.activeAt = clock.now();
          metrics.consumerRetries.inc(labels);
          const { topic: from, partition, nextOffset } = batch;
          sparing.run('retry', (unsaid) =>
            log.warn({ topic: from, partition, nextOffset, reason, attempt, unsaid }, 'batch is tried again'),
          );
        },
      },
    };
    return watch;
  }
}

interface Watch {
  /** Timestamp of the newest record handled. */
  newest: number;
  activeAt: number;
  readonly observer: ConsumerObserver;
}
