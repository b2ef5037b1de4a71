import type { ConsumerObserver, LogBatch } from '@millrace/event-log';
import type { Clock } from '@millrace/kernel';
import type { Logger } from 'pino';
import type { Health } from '../host/health.js';
import type { Metrics } from '../telemetry/metrics.js';
import { Sparing } from './sparing.js';

/** A loop with work to do that neither finishes nor retries a batch for this long is hung. */
const STALLED_AFTER_MS = 5 * 60_000;

export interface ConsumerWatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** Turns what one consumer reports into metrics, log lines and a liveness check. */
export class ConsumerWatch {
  readonly observer: ConsumerObserver;
  #newestRecord = 0;
  #activeAt: number;

  constructor(
    private readonly options: ConsumerWatchOptions,
    private readonly name: string,
    private readonly topic: string,
  ) {
    this.#activeAt = options.clock.now();
    this.observer = this.#observe();
  }

  /** Reads lag and age at each scrape, and watches that the loop goes on while there is work. */
  follow(consumer: { lag(): number }): void {
    const { clock, metrics, health } = this.options;
    const labels = { consumer: this.name, topic: this.topic };
    metrics.onScrape(this.name, () => {
      metrics.consumerLag.set(labels, consumer.lag());
      if (this.#newestRecord > 0) metrics.consumerAge.set(labels, Math.max(0, clock.now() - this.#newestRecord) / 1000);
    });
    health.watch(this.name, () => {
      if (consumer.lag() === 0) this.#activeAt = clock.now();
      const idle = clock.now() - this.#activeAt;
      return idle > STALLED_AFTER_MS ? `${consumer.lag()} records behind and no batch settled for ${Math.round(idle / 1000)} s` : undefined;
    });
  }

  #observe(): ConsumerObserver {
    const { clock, metrics, logger } = this.options;
    const labels = { consumer: this.name, topic: this.topic };
    const log = logger.child({ consumer: this.name });
    // A poisoned topic may hold a million bad records: each is counted and kept, one line a second is written.
    const sparing = new Sparing(clock, 1000);
    return {
      handled: (_consumer, batch: LogBatch, items, milliseconds) => {
        this.#activeAt = clock.now();
        const last = batch.records.at(-1);
        if (last) this.#newestRecord = Math.max(this.#newestRecord, last.timestamp);
        if (items > 0) metrics.consumerRecords.inc({ ...labels, outcome: 'handled' }, items);
        metrics.consumerSeconds.observe(labels, milliseconds / 1000);
      },
      deadLettered: (_consumer, { topic, partition, offset }, reason) => {
        metrics.consumerRecords.inc({ ...labels, outcome: 'dead_lettered' });
        sparing.run('dead-letter', (unsaid) => log.warn({ topic, partition, offset, reason, unsaid }, 'record put to the dead letters'));
      },
      skipped: (_consumer, { topic, partition, offset }, reason) => {
        metrics.consumerRecords.inc({ ...labels, outcome: 'skipped' });
        log.debug({ topic, partition, offset, reason }, 'record skipped');
      },
      retried: (_consumer, { topic, partition, nextOffset }, reason, attempt) => {
        this.#activeAt = clock.now();
        metrics.consumerRetries.inc(labels);
        sparing.run('retry', (unsaid) => log.warn({ topic, partition, nextOffset, reason, attempt, unsaid }, 'batch is tried again'));
      },
    };
  }
}
