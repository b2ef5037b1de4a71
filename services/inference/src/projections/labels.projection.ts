import { decodeFact, type CloudEvent, type Decoded, type Item, type LogRecord } from '@millrace/event-log';
import type { LabelRecorded } from '../domain/prediction/label.js';

const TYPE = 'millrace.inference.LabelRecorded.v1';

export interface LoggedLabel {
  readonly event: CloudEvent;
  readonly data: LabelRecorded;
}

export function decodeLabel(record: LogRecord): Decoded<LoggedLabel> {
  const fact = decodeFact(record);
  if (!fact.ok) return fact;
  const { type, data } = fact.value;
  if (type !== TYPE) return { ok: false, reason: `ce_type is ${type}; this topic holds ${TYPE}` };
  const { deployment, name, time } = (data ?? {}) as Partial<LabelRecorded>;
  if (typeof deployment !== 'string' || typeof name !== 'string' || typeof time !== 'number')
    return { ok: false, reason: 'a label needs deployment, name and time' };
  return { ok: true, value: { event: fact.value, data: data as LabelRecorded } };
}

export function labelRow({ value: { event, data } }: Item<LoggedLabel>): object {
  const { value } = data;
  return {
    label_id: event.id,
    deployment: data.deployment,
    name: data.name,
    prediction_id: data.predictionId,
    row: data.row,
    unit: data.unit,
    predicted_at: data.predictedAt,
    value: typeof value === 'string' ? null : Number(value),
    text: typeof value === 'string' ? value : null,
    time: data.time,
    recorded_at: event.time,
  };
}
