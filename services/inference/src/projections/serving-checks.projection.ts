import { factReader } from '@millrace/contracts';
import { factDecoder, type Item, type LoggedFact } from '@millrace/event-log';
import type { ServingChecked } from '../domain/registry/serving-checked.js';

export const decodeServingCheck = factDecoder(factReader<ServingChecked>('inference', 'ServingChecked'));

export function servingCheckRow({ value: { event, data } }: Item<LoggedFact<ServingChecked>>): object {
  const { modelId, model, version, digest, servable, reason, place, runMs } = data;
  return {
    ...{ time: event.time, model_id: modelId, model, version, digest, servable, reason: reason ?? '', place: place ?? '', run_ms: runMs },
  };
}
