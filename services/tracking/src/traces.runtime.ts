import { TOPICS } from '@millrace/contracts';
import { MlflowError } from '@millrace/mlflow-protocol';
import { migrate } from '@millrace/offline-store';
import { commandMetadata } from '@millrace/service';
import type { TracesApi } from './api/mlflow/traces/context.js';
import { decodeTraceFact, traceRows, TRACES_TABLE } from './projections/traces.projection.js';
import { countTraces } from './queries/trace-counts.query.js';
import { traceMetrics } from './queries/trace-metrics.query.js';
import { wrongPattern } from './queries/trace-patterns.query.js';
import type { TraceCriterion } from './queries/trace-sql.js';
import { searchTraces, tracesById } from './queries/traces.query.js';
import type { TrackingView } from './queries/tracking-view.js';
import type { TrackingHost } from './tracking.runtime.js';

const TRACES = TOPICS.traces.name;

/** What the endpoints of traces are made of, and the projection of the facts told of them. */
export async function openTraces(host: TrackingHost, view: TrackingView): Promise<TracesApi> {
  const { topics, facts, tables, offline, clock, ids, config, logger } = host;
  await topics.ensure(TOPICS.traces);
  await migrate(offline, { name: 'tracking-traces', directory: new URL('./migrations/traces/', import.meta.url) });
  const table = await tables.add({
    ...{ name: 'tracking.traces', topic: TRACES, table: TRACES_TABLE, shared: true, decode: decodeTraceFact, toRows: traceRows },
  });
  const checkPatterns = async (criteria: readonly TraceCriterion[]): Promise<void> => {
    const wrong = await wrongPattern(offline, criteria);
    if (!wrong) return;
    const message = `Invalid filter: RLIKE '${wrong.pattern}' is no regular expression (RE2): ${wrong.reason}.`;
    throw new MlflowError('INVALID_PARAMETER_VALUE', message);
  };
  return {
    experiment: async (experimentId) => {
      if (!view.experiment(experimentId)) await view.upToDate();
      const experiment = view.experiment(experimentId);
      if (!experiment) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `No Experiment with id=${experimentId} exists`);
      if (experiment.deleted) {
        throw new MlflowError(
          'INVALID_PARAMETER_VALUE',
          `The experiment ${experimentId} must be in the 'active' state. Current state is deleted.`,
        );
      }
      return experiment;
    },
    append: async (told, traceparent) => {
      await facts.append(
        TRACES,
        told.map(({ type, data }) => ({ key: data.traceId, type, domain: 'tracking', subject: `trace/${data.traceId}`, data })),
        traceparent,
      );
    },
    traces: async (traceIds, withSpans) => {
      await table.barrier(config.queryDeadlineMs);
      return tracesById(offline, traceIds, withSpans);
    },
    search: async (search) => {
      await checkPatterns(search.criteria);
      await table.barrier(config.queryDeadlineMs);
      return searchTraces(offline, search);
    },
    count: async (request) => {
      await checkPatterns([...request.among, ...request.first, ...request.second]);
      await table.barrier(config.queryDeadlineMs);
      return countTraces(offline, request);
    },
    metrics: async (request) => {
      await checkPatterns(request.criteria);
      await table.barrier(config.queryDeadlineMs);
      return traceMetrics(offline, request);
    },
    newId: ({ commandId }, purpose) => ids.derived(commandId, purpose),
    metadata: (request) => commandMetadata(request, clock, ids),
    onDefect: (error, request) => logger.error({ err: error, url: request.url }, 'defect: a request about traces failed'),
  };
}
