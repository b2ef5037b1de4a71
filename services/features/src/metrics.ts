import type { ViewPlan } from '@millrace/feature-engine';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { RowCounts } from './domain/materialization/materialization.events.js';
import type { VerificationReport } from './verification/scheduled-verification.js';

/** What this service counts beside what the kit counts for every consumer, projection and request. */
export class FeaturesMetrics {
  readonly #applied: Gauge;
  readonly #verifiedAt: Gauge;
  readonly #verified: Counter;
  readonly #unverifiable: Counter;
  readonly verificationFailures: Counter;
  readonly statisticsFailures: Counter;
  readonly readsShed: Counter;
  readonly ingested: Counter;
  readonly rejected: Counter;
  readonly unexpected: Counter;
  readonly #materializations: Counter;
  readonly #materializedRows: Counter;
  readonly #materializationLag: Gauge;

  constructor(registry: Registry) {
    this.#applied = gauge(registry, 'millrace_features_online_next_offset', 'Next offset to apply to a view online', ['view', 'partition']);
    this.ingested = counter(registry, 'millrace_features_ingested_events_total', 'Events of HTTP requests by outcome', [
      'source',
      'outcome',
    ]);
    const rejected = 'Events that were not taken, by what kept them out: over HTTP, or records on the log that are no events';
    this.rejected = counter(registry, 'millrace_features_rejected_events_total', rejected, ['source', 'via', 'reason']);
    const unexpected = 'Events with a value that is not as the source expects, by column';
    this.unexpected = counter(registry, 'millrace_features_unexpected_events_total', unexpected, ['source', 'column']);
    this.#verifiedAt = gauge(registry, 'millrace_features_verified_until_seconds', 'Answers before this time have been verified', []);
    const runs = 'Materializations of sources that came to an end in this process, by outcome: finished, failed, cancelled or lost';
    this.#materializations = counter(registry, 'millrace_features_materializations_total', runs, ['source', 'outcome']);
    const rows = "Rows of sources' queries, tables and files, by outcome: appended, unchanged or rejected";
    this.#materializedRows = counter(registry, 'millrace_features_materialized_rows_total', rows, ['source', 'outcome']);
    const lag = 'How long ago, in event time, the rows end that a source has materialized';
    this.#materializationLag = gauge(registry, 'millrace_features_materialization_lag_seconds', lag, ['source']);
    const verified = 'Served values that were recomputed from the offline store, by outcome: same or different';
    this.#verified = counter(registry, 'millrace_features_verified_values_total', verified, ['view', 'feature', 'outcome']);
    const unverifiable = 'Served vectors that could not be recomputed, because their definition or its events are not to be found';
    this.#unverifiable = counter(registry, 'millrace_features_unverifiable_vectors_total', unverifiable, []);
    this.verificationFailures = counter(registry, 'millrace_features_verification_failures_total', 'Checks that came to no end', []);
    const shed = 'Vectors of logged reads that found no room while the log was away, and are not on it';
    this.readsShed = counter(registry, 'millrace_features_read_vectors_shed_total', shed, []);
    const failures = 'Rounds of statistics that came to no end, each of a source, a view, or what was served';
    this.statisticsFailures = counter(registry, 'millrace_features_statistics_failures_total', failures, []);
  }

  /** `lost`: another process has taken the run over. */
  materialized(source: string, outcome: 'finished' | 'failed' | 'cancelled' | 'lost'): void {
    this.#materializations.inc({ source, outcome });
  }

  materializedRows(source: string, { appended, unchanged, rejected }: RowCounts): void {
    for (const [outcome, count] of Object.entries({ appended, unchanged, rejected }))
      this.#materializedRows.inc({ source, outcome }, count);
  }

  materializationLags(lags: ReadonlyMap<string, number>): void {
    this.#materializationLag.reset();
    for (const [source, milliseconds] of lags) this.#materializationLag.set({ source }, milliseconds / 1000);
  }

  /** The first check is yet to come, and takes the answers from this time on. */
  verifyingFrom(milliseconds: number): void {
    this.#verifiedAt.set(milliseconds / 1000);
  }

  /** The expected count of `different` is 0; any other is a defect, and worth an alert. */
  verified({ features, unverifiable, to }: VerificationReport): void {
    this.#verifiedAt.set(Date.parse(to) / 1000);
    for (const { view, feature, compared, mismatches } of features) {
      this.#verified.inc({ view, feature, outcome: 'same' }, compared - mismatches);
      this.#verified.inc({ view, feature, outcome: 'different' }, mismatches);
    }
    for (const count of Object.values(unverifiable)) this.#unverifiable.inc(count);
  }

  applied(plan: ViewPlan, partition: number, nextOffset: number): void {
    this.#applied.set({ view: plan.name, partition: String(partition) }, nextOffset);
  }
}

function gauge(registry: Registry, name: string, help: string, labelNames: string[]): Gauge {
  return (registry.getSingleMetric(name) as Gauge | undefined) ?? new Gauge({ name, help, labelNames, registers: [registry] });
}

function counter(registry: Registry, name: string, help: string, labelNames: string[]): Counter {
  return (registry.getSingleMetric(name) as Counter | undefined) ?? new Counter({ name, help, labelNames, registers: [registry] });
}
