import { invalid, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { TrackingApi } from './context.js';
import { metricJson } from './wire.js';

const MOST_RUNS = 100;
const MOST_POINTS = 25_000;
const MOST_EXPERIMENTS = 20;
const MOST_DATASETS = 1000;

/** What MLflow's UI asks for in bulk. */
export function uiRoutes(api: TrackingApi): MlflowRoute[] {
  return [
    { method: 'GET', path: 'metrics/get-history-bulk', handle: ({ fields }) => historyBulk(api, fields) },
    { method: 'POST', path: 'experiments/search-datasets', handle: ({ fields }) => searchDatasets(api, fields) },
  ];
}

async function historyBulk(api: TrackingApi, fields: Fields): Promise<object> {
  const runIds = [...new Set(fields.strings('run_id'))];
  if (runIds.length === 0) throw invalid('GetMetricHistoryBulk request must specify at least one run_id.');
  if (runIds.length > MOST_RUNS) {
    throw invalid(`GetMetricHistoryBulk request cannot specify more than ${MOST_RUNS} run_ids. Received ${runIds.length} run_ids.`);
  }
  const key = fields.string('metric_key');
  if (key === undefined) throw invalid('GetMetricHistoryBulk request must specify a metric_key.');
  const limit = Math.min(fields.integer('max_results') ?? MOST_POINTS, MOST_POINTS);
  if (limit < 1) throw invalid(`Invalid value ${limit} for parameter 'max_results' supplied. It must be at least 1.`);
  await api.view.upToDate();
  const runs = runIds.map((id) => api.view.run(id)).filter((run) => run !== undefined);
  const experimentIds = [...new Set(runs.map((run) => run.experimentId))];
  const points = await api.metricHistoryBulk({ experimentIds, runIds: runs.map((run) => run.runId), key, limit });
  return { metrics: points.map((point) => ({ ...metricJson(point), run_id: point.runId })) };
}

async function searchDatasets(api: TrackingApi, fields: Fields): Promise<object> {
  const ids = [...new Set(fields.strings('experiment_ids'))];
  if (ids.length === 0) throw invalid('SearchDatasets request must specify at least one experiment_id.');
  if (ids.length > MOST_EXPERIMENTS) {
    throw invalid(`SearchDatasets request cannot specify more than ${MOST_EXPERIMENTS} experiment_ids. Received ${ids.length}.`);
  }
  await api.view.upToDate();
  const active = ids.filter((id) => api.view.experiment(id)?.deleted === false);
  const summaries = await api.datasetSummaries(active, MOST_DATASETS);
  return {
    dataset_summaries: summaries.map(({ experimentId, name, digest, context }) => ({
      ...{ experiment_id: experimentId, name, digest },
      ...(context === '' ? {} : { context }),
    })),
  };
}
