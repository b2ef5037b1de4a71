import type { Item } from '@millrace/event-log';
import { factDecoder, type LoggedFact } from '@millrace/service';
import type { ServingChecked } from '../domain/registry/serving-checked.js';

export const decodeServingCheck = factDecoder<ServingChecked>('inference', 'ServingChecked');

export function servingCheckRow({ value: { event, data } }: Item<LoggedFact<ServingChecked>>): object {
  const { modelId, model, version, digest, servable, reason, place, runMs } = data;
  return {
    ...{ time: event.time, model_id: modelId, model, version, digest, servable, reason: reason ?? '', place: place ?? '', run_ms: runMs },
  };
}
