import type { CommandMetadata } from '@millrace/kernel';
import type { FastifyRequest } from 'fastify';
import type { Experiment } from '../../../domain/experiments/experiments.decider.js';
import type { Trace } from '../../../domain/trace/trace.js';
import type { TraceFact } from '../../../domain/trace/trace-facts.js';
import type { TraceCounts, TraceCountsRequest } from '../../../queries/trace-counts.query.js';
import type { TraceMetricRow, TraceMetricsRequest } from '../../../queries/trace-metrics.query.js';
import type { FoundTrace, TraceSearch } from '../../../queries/traces.query.js';

/** What the endpoints of traces are made of. */
export interface TracesApi {
  /** An experiment that is there and active; refuses the request otherwise. */
  experiment(experimentId: string): Promise<Experiment>;
  /** Resolves when the facts are durable. */
  append(facts: readonly TraceFact[], traceparent: string | undefined): Promise<void>;
  /** These answer from a projection that has passed all that was acknowledged before the call. */
  traces(traceIds: readonly string[], withSpans: boolean): Promise<Trace[]>;
  search(search: TraceSearch): Promise<FoundTrace[]>;
  count(request: TraceCountsRequest): Promise<TraceCounts>;
  metrics(request: TraceMetricsRequest): Promise<TraceMetricRow[]>;
  newId(metadata: CommandMetadata, purpose: string): string;
  metadata(request: FastifyRequest): CommandMetadata;
  onDefect(error: unknown, request: FastifyRequest): void;
}
