import { factReader } from '@millrace/contracts';
import { factDecoder, type Item, type LoggedFact } from '@millrace/event-log';
import { storedJson } from '@millrace/offline-store';
import type { StreamPredicted } from '../domain/stream/stream-output.js';

export const decodeOutput = factDecoder(factReader<StreamPredicted>('inference', 'StreamPredicted'));

export function outputRow({ value: { event, data } }: Item<LoggedFact<StreamPredicted>>): object {
  const { input } = data;
  return {
    output_id: event.id,
    stream: data.stream,
    generation: data.generation,
    input_topic: input.topic,
    input_partition: input.partition,
    input_offset: input.offset,
    event_time: input.time,
    time: event.time,
    columns: storedJson(data.columns),
    outputs: storedJson(data.outputs),
    prediction_id: data.predictionId,
    deployment: data.deployment,
    model: data.model,
    version: data.version,
    variant: data.variant ?? '',
  };
}
