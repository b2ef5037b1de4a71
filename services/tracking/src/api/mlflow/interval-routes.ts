import { invalid, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { TrackingApi } from './context.js';
import { runNotFound } from './errors.js';
import { metricJson } from './wire.js';

const MOST_RUNS = 100;
const DEFAULT_POINTS = 320;
const MOST_POINTS = 2500;

/** Histories of several runs for a plot, as MLflow's UI asks for them. */
export function intervalRoutes(api: TrackingApi): MlflowRoute[] {
  return [
    {
      method: 'GET',
      path: 'metrics/get-history-bulk-interval',
      handle: async ({ fields }) => {
        const ids = [...new Set(fields.strings('run_ids'))];
        const [from, to] = [fields.integer('start_step'), fields.integer('end_step')];
        if (ids.length === 0) throw fields.missing('run_ids');
        const [limit, key] = [limitOf(fields), fields.requiredString('metric_key')];
        if (ids.length > MOST_RUNS) {
          throw invalid(`GetMetricHistoryBulkInterval request must specify at most ${MOST_RUNS} run_ids. Received ${ids.length} run_ids.`);
        }
        if ((from === undefined) !== (to === undefined)) {
          throw invalid('If either start step or end step are specified, both must be specified.');
        }
        if (from !== undefined && to !== undefined && from > to) {
          throw invalid(`end_step must be greater than start_step. Found start_step=${from} and end_step=${to}.`);
        }
        await api.view.upToDate();
        const runs = ids.map((runId) => {
          const run = api.view.run(runId);
          if (!run) throw runNotFound(runId);
          return { runId, experimentId: run.experimentId };
        });
        const points = await api.metricInterval({ runs, key, from, to, limit });
        return { metrics: points.map((point) => ({ ...metricJson(point), run_id: point.runId })) };
      },
    },
  ];
}

function limitOf(fields: Fields): number {
  const limit = fields.integer('max_results') ?? DEFAULT_POINTS;
  if (limit < 1 || limit > MOST_POINTS) {
    throw invalid(`Invalid value ${limit} for parameter 'max_results' supplied: max_results must be between 1 and ${MOST_POINTS}.`);
  }
  return limit;
}
