import type { ViewPlan } from '@millrace/feature-engine';
import { Counter, Gauge, type Registry } from 'prom-client';

/** What this service counts beside what the kit counts for every consumer, projection and request. */
export class FeaturesMetrics {
  readonly #applied: Gauge;
  readonly ingested: Counter;

  constructor(registry: Registry) {
    this.#applied = gauge(registry, 'millrace_features_online_next_offset', 'Next offset to apply to a view online', ['view', 'partition']);
    this.ingested = counter(registry, 'millrace_features_ingested_events_total', 'Events of HTTP requests by outcome', [
      'source',
      'outcome',
    ]);
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
