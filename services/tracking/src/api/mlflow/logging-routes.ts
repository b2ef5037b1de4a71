import { invalid, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { RunBatch } from '../../commands/tracking-commands.js';
import { historyCursor, isHistoryCursor } from '../../queries/metric-history.query.js';
import type { TrackingApi } from './context.js';
import { runNotFound, valueOf } from './errors.js';
import { checkBatchLimit, longValuesFor, maxResultsOf, metricOf, paramOf, runIdOf, tagOf, type LongValues } from './fields.js';
import { keyCursorOf, keyPage } from './key-page-token.js';
import { LIMITS } from './limits.js';
import { modelPointsOf } from './models/model-points.js';
import { metricJson } from './wire.js';
import type { Fields } from '@millrace/mlflow-protocol';

/** What clients log into runs, and the history of metrics. */
export function loggingRoutes(api: TrackingApi): MlflowRoute[] {
  return [
    log(api, 'runs/log-metric', (fields) => ({ metrics: [metricOf(fields)], params: [], tags: [] })),
    log(api, 'runs/log-parameter', (fields, long) => ({ metrics: [], params: [paramOf(fields, long)], tags: [] })),
    log(api, 'runs/set-tag', (fields, long) => ({ metrics: [], params: [], tags: [tagOf(fields, long)] })),
    log(api, 'runs/log-batch', batchOf, LIMITS.batchBytes),
    {
      method: 'GET',
      path: 'metrics/get-history',
      handle: async ({ fields }) => {
        const [runId, key] = [runIdOf(fields), fields.requiredString('metric_key')];
        const limit = maxResultsOf(fields, LIMITS.metricPointsByDefault, LIMITS.metricPointsPerPage);
        const after = keyCursorOf(fields.string('page_token'), isHistoryCursor);
        await api.view.upToDate();
        const run = api.view.run(runId);
        if (!run) throw runNotFound(runId);
        const points = await api.metricHistory({ experimentId: run.experimentId, runId, key, limit, after });
        const { page, next } = keyPage(points, limit, historyCursor);
        return { metrics: page.map(metricJson), ...next };
      },
    },
  ];
}

function log(api: TrackingApi, path: string, parse: (fields: Fields, long: LongValues) => RunBatch, maxBytes?: number): MlflowRoute {
  return {
    method: 'POST',
    path,
    takesNonFinite: true,
    handle: async ({ fields, request, reply }) => {
      const size = Number(request.headers['content-length'] ?? 0);
      if (maxBytes !== undefined && size > maxBytes) {
        throw invalid(`Batched logging API requests must be at most ${maxBytes} bytes, got a request of size ${size}.`);
      }
      const [runId, batch, ofModels] = [runIdOf(fields), parse(fields, longValuesFor(request)), modelPointsOf(fields)];
      const metadata = api.metadata(request);
      const { positions } = valueOf(await api.commands.logBatch(runId, batch, metadata));
      if (ofModels.size === 0) api.sendPosition(reply, positions);
      else api.sendPosition(reply, [...positions, ...(await api.loggedModels.logMetrics(runId, ofModels, metadata))]);
      return undefined;
    },
  };
}

/** An entry that lacks a field makes the whole list wrong, and is shown in it (as MLflow 2 does) and named by its place (as 3 does). */
function checkPresent(fields: Fields, name: string, entries: readonly Fields[], required: readonly string[]): void {
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index] as Fields;
    for (const field of required) {
      if (!entry.has(field)) throw invalid(`${fields.missing(`${name}[${index}].${field}`).message} ${fields.wrong(name).message}`);
    }
  }
}

function batchOf(fields: Fields, long: LongValues): RunBatch {
  const [metrics, params, tags] = [fields.messages('metrics'), fields.messages('params'), fields.messages('tags')];
  checkBatchLimit('metrics', LIMITS.metricsPerBatch, metrics.length);
  checkBatchLimit('params', LIMITS.paramsPerBatch, params.length);
  checkBatchLimit('tags', LIMITS.tagsPerBatch, tags.length);
  checkBatchLimit('metrics, params, and tags', LIMITS.entitiesPerBatch, metrics.length + params.length + tags.length);
  checkPresent(fields, 'metrics', metrics, ['key', 'value', 'timestamp']);
  checkPresent(fields, 'params', params, ['key']);
  checkPresent(fields, 'tags', tags, ['key']);
  return {
    metrics: metrics.map(metricOf),
    params: params.map((param) => paramOf(param, long)),
    tags: tags.map((tag) => tagOf(tag, long)),
  };
}
