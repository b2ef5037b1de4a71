import { decodeFact, type CloudEvent, type Decoded, type Item, type LogRecord } from '@millrace/event-log';
import type { PredictionMade } from '../domain/prediction/prediction.js';

const TYPE = 'millrace.inference.PredictionMade.v1';

export interface LoggedPrediction {
  readonly event: CloudEvent;
  readonly data: PredictionMade;
}

export function decodePrediction(record: LogRecord): Decoded<LoggedPrediction> {
  const fact = decodeFact(record);
  if (!fact.ok) return fact;
  const { type, data } = fact.value;
  if (type !== TYPE) return { ok: false, reason: `ce_type is ${type}; this topic holds ${TYPE}` };
  const { predictionId, model, version, rows } = (data ?? {}) as Partial<PredictionMade>;
  if (typeof predictionId !== 'string' || typeof model !== 'string' || typeof version !== 'number' || !Array.isArray(rows))
    return { ok: false, reason: 'a prediction needs predictionId, model, version and rows' };
  return { ok: true, value: { event: fact.value, data: data as PredictionMade } };
}

/** One table row per predicted row. */
export function predictionRows({ value: { event, data } }: Item<LoggedPrediction>): object[] {
  const common = {
    prediction_id: data.predictionId,
    request_id: data.requestId,
    time: event.time,
    deployment: data.deployment ?? '',
    model: data.model,
    version: data.version,
    experiment: data.experiment ?? '',
    variant: data.variant ?? '',
    feature_service: data.featureService ?? '',
    feature_time: data.featureTime,
    feature_positions: jsonOf(data.featurePositions),
    batch_rows: data.batchRows,
    latency_us: data.latencyMicros,
    error_code: data.error?.code ?? '',
    error_message: data.error?.message ?? '',
    traceparent: data.traceparent,
  };
  return data.rows.map((row) => ({
    ...common,
    row: row.row,
    unit: row.unit,
    entity: jsonOf(row.entity),
    request: jsonOf(row.request),
    features: jsonOf(row.features),
    inputs: jsonOf(row.inputs),
    outputs: jsonOf(row.outputs),
    prediction: Object.values(row.outputs ?? {}).find((value) => typeof value === 'number') ?? null,
  }));
}

function jsonOf(value: object | null): string {
  return value === null ? '{}' : JSON.stringify(value);
}
