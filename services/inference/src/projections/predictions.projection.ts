import type { Item } from '@millrace/event-log';
import { predictedNumber, type PredictionMade } from '../domain/prediction/prediction.js';
import { factDecoder, type LoggedFact } from './fact-decoder.js';

export const decodePrediction = factDecoder<PredictionMade>('inference', 'PredictionMade');

/** One table row per predicted row. */
export function predictionRows({ value: { event, data } }: Item<LoggedFact<PredictionMade>>): object[] {
  const common = {
    prediction_id: data.predictionId,
    request_id: data.requestId,
    time: event.time,
    deployment: data.deployment ?? '',
    model: data.model,
    version: data.version,
    experiment: data.experiment ?? '',
    rollout: data.rollout ?? '',
    variant: data.variant ?? '',
    feature_service: data.featureService ?? '',
    feature_time: data.featureTime,
    feature_positions: jsonOf(data.featurePositions),
    feature_versions: jsonOf(data.featureVersions),
    batch_rows: data.batchRows,
    latency_us: data.latencyMicros,
    error_code: data.error?.code ?? '',
    error_message: data.error?.message ?? '',
    traceparent: data.traceparent,
    source: data.edge ? 'edge' : 'gateway',
    edge_device: data.edge?.device ?? '',
    edge_session: data.edge?.session ?? '',
    edge_predicted_at: data.edge?.predictedAt ?? null,
    edge_sent_at: data.edge?.sentAt ?? null,
    edge_graph: data.edge?.graph ?? '',
  };
  return data.rows.map((row) => ({
    ...common,
    row: row.row,
    unit: row.unit,
    entity: jsonOf(row.entity),
    request: jsonOf(row.request),
    features: jsonOf(row.features),
    statuses: jsonOf(row.statuses ?? null),
    inputs: jsonOf(row.inputs),
    outputs: jsonOf(row.outputs),
    prediction: predictedNumber(row.outputs),
  }));
}

function jsonOf(value: object | null): string {
  return value === null ? '{}' : JSON.stringify(value);
}
