import { LogConsumer, type EventLog, type ItemBatch, type LogConsumerOptions } from '@millrace/event-log';
import { isFault, type Clock, type Scheduler } from '@millrace/kernel';
import type { Logger } from 'pino';
import type { Health } from '../host/health.js';
import type { Lifecycle } from '../host/lifecycle.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { traced } from '../telemetry/traced-batch.js';
import { CatchUp } from './catch-up.js';
import { ConsumerWatch } from './consumer-watch.js';
import { ONLINE_STORE, refuseLogBehind } from './log-behind.js';

/** What the kit adds to a {@link LogConsumer} is left out: the log, the clock, the scheduler and the observer. */
export type AddConsumer<T> = Omit<LogConsumerOptions<T>, 'log' | 'scheduler' | 'now' | 'observer'> & {
  /** Readiness waits until this consumer has read what was on the log when it started. Default: true. */
  readonly mustCatchUp?: boolean;
  /** What its place in the topic is kept in, for whoever has to take it away. Default: the online store. */
  readonly holds?: string;
};

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

/** How often it is looked whether consumers have come to rest. */
const SETTLING_MS = 5;

/**
 * Runs consumers: starts them, stops them before what they write into is closed, counts and times what they do, lets readiness wait for
 * them and liveness watch them, and puts each batch under the traces its records belong to.
 */
export class LogConsumers {
  readonly #options: LogConsumersOptions;
  readonly #running = new Map<string, unknown>();

  constructor(options: LogConsumersOptions) {
    this.#options = options;
  }

  /** Makes and starts a consumer of a topic that exists. Its name has to be the only one of its kind in this process. */
  async add<T>(options: AddConsumer<T>): Promise<LogConsumer<T>> {
    const { log, clock, scheduler, telemetry, health, lifecycle, logger } = this.#options;
    const { mustCatchUp = true, holds = ONLINE_STORE, ...rest } = options;
    const reader = { name: rest.name, holds };
    if (this.#running.has(rest.name)) throw new Error(`there is already a consumer called ${rest.name} in this process`);
    this.#running.set(rest.name, undefined);
    /** Why partitions are not read. */
    const behind = new Map<number, string>();
    let missing = (): string | undefined => undefined;
    const notReady = (): string | undefined => [...behind.values()][0] ?? missing();
    const watch = new ConsumerWatch(this.#options, rest.name, rest.topic);
    try {
      const catchUp = mustCatchUp ? await CatchUp.start(log, rest.topic, reader, rest.from) : undefined;
      const handle = traced(telemetry, rest.name, rest.handle);
      const consumer = new LogConsumer<T>({
        ...rest,
        log,
        scheduler,
        now: () => clock.now(),
        observer: watch.observer,
        from: async (partition) => {
          const next = await rest.from(partition);
          try {
            await refuseLogBehind(log, rest.topic, reader, new Map([[partition, next]]));
            behind.delete(partition);
          } catch (error) {
            // It is asked again and again until what is behind is mended: readiness says meanwhile what that is.
            if (isFault(error) && error.code === 'MR_LOG_BEHIND') {
              if (!behind.has(partition)) logger.error({ err: error, consumer: rest.name, partition }, 'a partition cannot be read');
              behind.set(partition, error.message);
              health.catchUp(rest.name, notReady);
            }
            throw error;
          }
          return next;
        },
        handle: async (batch: ItemBatch<T>) => {
          const result = await handle(batch);
          if (result.kind === 'ok') catchUp?.passed(batch.partition, batch.nextOffset);
          return result;
        },
      });
      this.#running.set(rest.name, consumer);
      const takeBack = lifecycle.add('consumers', rest.name, () => consumer.stop());
      try {
        await consumer.start();
      } catch (error) {
        takeBack();
        await consumer.stop().catch(() => undefined);
        throw error;
      }
      watch.follow(consumer);
      if (catchUp) {
        missing = () => catchUp.missing(consumer.assigned());
        health.catchUp(rest.name, notReady);
      }
      return consumer;
    } catch (error) {
      this.#running.delete(rest.name);
      health.forget(rest.name);
      throw error;
    }
  }

  /** Resolves once every consumer has handled what its topic holds, also what they appended for one another meanwhile. */
  async settled(): Promise<void> {
    const lagging = () => [...this.#running.values()].some((consumer) => ((consumer as { lag(): number } | undefined)?.lag() ?? 0) > 0);
    while (lagging()) {
      for (const consumer of this.#running.values()) (consumer as { hurry(): void } | undefined)?.hurry();
      await new Promise<void>((resolve) => void this.#options.scheduler.after(SETTLING_MS, resolve));
    }
  }

  /** Stops one consumer before the process ends, e.g. because its resource was deleted; its name is free again. */
  async remove<T>(consumer: LogConsumer<T>): Promise<void> {
    if (this.#running.get(consumer.name) !== consumer) return;
    this.#running.delete(consumer.name);
    this.#options.health.forget(consumer.name);
    this.#options.metrics.forget(consumer.name);
    await consumer.stop();
  }
}
