import { decodeFact, type CloudEvent, type Decoded, type Item, type LogRecord } from '@millrace/event-log';
import type { OutcomeRecorded } from '../domain/experiment/facts.js';

const TYPE = 'millrace.experimentation.OutcomeRecorded.v1';

export interface LoggedOutcome {
  readonly event: CloudEvent;
  readonly data: OutcomeRecorded;
}

export function decodeOutcome(record: LogRecord): Decoded<LoggedOutcome> {
  const fact = decodeFact(record);
  if (!fact.ok) return fact;
  const { type, data } = fact.value;
  if (type !== TYPE) return { ok: false, reason: `ce_type is ${type}; this topic holds ${TYPE}` };
  const { experiment, unit, metric, value } = (data ?? {}) as Partial<OutcomeRecorded>;
  if (typeof experiment !== 'string' || typeof unit !== 'string' || typeof metric !== 'string' || typeof value !== 'number')
    return { ok: false, reason: 'an outcome needs experiment, unit, metric and a numeric value' };
  return { ok: true, value: { event: fact.value, data: data as OutcomeRecorded } };
}

export function outcomeRow({ value: { event, data } }: Item<LoggedOutcome>): object {
  return { outcome_id: event.id, experiment: data.experiment, metric: data.metric, unit: data.unit, value: data.value, time: event.time };
}
