import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { HotHistogram } from './hot-metrics.js';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The kit's own metrics. A service adds its own to `registry`, named `millrace_<domain>_...`. */
export class Metrics {
  readonly registry = new Registry();
  readonly #onScrape = new Map<string, () => void>();

  readonly httpSeconds = new HotHistogram({
    name: 'millrace_http_request_seconds',
    help: 'Time to answer a request, by route template.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly httpInFlight = this.#gauge('millrace_http_in_flight', 'Requests being answered.', []);
  readonly httpRefused = this.#counter('millrace_http_refused_total', 'Requests refused because too many were in flight.', []);

  readonly commands = this.#counter('millrace_commands_total', 'Commands by outcome: accepted, repeated, unchanged, rejected, fault.', [
    'domain',
    'command',
    'outcome',
  ]);
  readonly commandSeconds = this.#histogram('millrace_command_seconds', 'Time from command to verdict.', ['domain', 'command']);
  readonly replicaRecords = this.#gauge(
    'millrace_replica_records',
    'Decisions a replica has met since the start, by what the one rule said: accepted, void, unknown.',
    ['domain', 'follower', 'verdict'],
  );

  readonly consumerLag = this.#gauge('millrace_consumer_lag', 'Records between a consumer and the end of the log.', ['consumer', 'topic']);
  readonly consumerAge = this.#gauge('millrace_consumer_last_record_age_seconds', 'Age of the newest record a consumer has handled.', [
    'consumer',
    'topic',
  ]);
  readonly consumerRecords = this.#counter(
    'millrace_consumer_records_total',
    'Records by what became of them: handled, dead_lettered, skipped.',
    ['consumer', 'topic', 'outcome'],
  );
  readonly consumerRetries = this.#counter('millrace_consumer_retries_total', 'Batches that were tried again.', ['consumer', 'topic']);
  readonly consumerSeconds = this.#histogram('millrace_consumer_batch_seconds', 'Time to handle a batch, retries included.', [
    'consumer',
    'topic',
  ]);

  readonly facts = this.#counter('millrace_facts_appended_total', 'Facts appended.', ['topic']);

  readonly insertedRows = this.#counter('millrace_projection_inserted_rows_total', 'Rows inserted into the offline store.', ['projection']);
  readonly insertedBytes = this.#counter('millrace_projection_inserted_bytes_total', 'Bytes inserted into the offline store.', [
    'projection',
  ]);
  readonly insertFailures = this.#counter('millrace_projection_insert_failures_total', 'Inserts that failed and were tried again.', [
    'projection',
  ]);
  readonly insertSeconds = this.#histogram('millrace_projection_insert_seconds', 'Time of one insert.', ['projection']);

  constructor(service: string) {
    this.registry.setDefaultLabels({ service });
  }

  /** Process metrics: CPU, memory, event loop delay, garbage collection. Once per process. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Gauges that are cheaper to read when somebody asks than to keep up to date. */
  onScrape(name: string, collect: () => void): void {
    this.#onScrape.set(name, collect);
  }

  forget(name: string): void {
    this.#onScrape.delete(name);
  }

  /** All metrics in Prometheus' text format. */
  async scrape(): Promise<string> {
    for (const collect of this.#onScrape.values()) collect();
    return this.registry.metrics();
  }

  #counter<const L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #gauge<const L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #histogram<const L extends string>(name: string, help: string, labelNames: readonly L[]): Histogram<L> {
    return new Histogram({ name, help, labelNames: [...labelNames], buckets: SECONDS, registers: [this.registry] });
  }
}
