import { factReader } from '@millrace/contracts';
import { factDecoder, type Item, type LoggedFact } from '@millrace/event-log';
import type { UnitExposed } from '../domain/experiment/facts.js';

export const decodeExposure = factDecoder(factReader<UnitExposed>('experimentation', 'UnitExposed'));

export function exposureRow({ value: { event, data } }: Item<LoggedFact<UnitExposed>>): object {
  const { experiment, unit, variant, deployment, model = '', version = 0 } = data;
  return { exposure_id: event.id, experiment, unit, variant, deployment: deployment ?? '', model, version, time: event.time };
}
