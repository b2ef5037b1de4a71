import { factReader } from '@millrace/contracts';
import { factDecoder, type Item, type LoggedFact } from '@millrace/event-log';
import type { LabelRecorded } from '../domain/prediction/label.js';

export const decodeLabel = factDecoder(factReader<LabelRecorded>('inference', 'LabelRecorded'));

export function labelRow({ value: { event, data } }: Item<LoggedFact<LabelRecorded>>): object {
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
