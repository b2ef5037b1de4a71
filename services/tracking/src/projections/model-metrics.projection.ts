import { factReader } from '@millrace/contracts';
import { decodeFact, type Decoded, type Item, type LogRecord } from '@millrace/event-log';
import type { ModelMetricsLogged } from '../domain/logged-model/model-metrics.js';

export const MODEL_METRICS_TABLE = 'millrace.logged_model_metrics';

const read = factReader<ModelMetricsLogged>('tracking', 'ModelMetricsLogged');

/** Reads a fact of a logged model's metrics; what is not one goes to the dead letters with the reason. */
export function decodeModelMetrics(record: LogRecord): Decoded<ModelMetricsLogged> {
  const fact = decodeFact(record);
  return fact.ok === true ? read(fact.value) : fact;
}

/** A batch of points as rows of `millrace.logged_model_metrics`. */
export function modelMetricRows({ value }: Item<ModelMetricsLogged>): object[] {
  const { modelId, experimentId, runId, points } = value;
  return points.map(({ key, value: measured, timestamp, step, datasetName, datasetDigest }) => ({
    experiment_id: experimentId,
    model_id: modelId,
    run_id: runId,
    key,
    dataset_name: datasetName ?? '',
    dataset_digest: datasetDigest ?? '',
    step,
    timestamp,
    value: measured,
  }));
}
