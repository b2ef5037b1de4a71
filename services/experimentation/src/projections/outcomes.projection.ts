import { factReader } from '@millrace/contracts';
import { factDecoder, type Item, type LoggedFact } from '@millrace/event-log';
import type { OutcomeRecorded } from '../domain/experiment/facts.js';

export const decodeOutcome = factDecoder(factReader<OutcomeRecorded>('experimentation', 'OutcomeRecorded'));

export function outcomeRow({ value: { event, data } }: Item<LoggedFact<OutcomeRecorded>>): object {
  return { outcome_id: event.id, experiment: data.experiment, metric: data.metric, unit: data.unit, value: data.value, time: event.time };
}
