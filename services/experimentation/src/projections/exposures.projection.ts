import { decodeFact, type CloudEvent, type Decoded, type Item, type LogRecord } from '@millrace/event-log';
import type { UnitExposed } from '../domain/experiment/facts.js';

const TYPE = 'millrace.experimentation.UnitExposed.v1';

export interface LoggedExposure {
  readonly event: CloudEvent;
  readonly data: UnitExposed;
}

export function decodeExposure(record: LogRecord): Decoded<LoggedExposure> {
  const fact = decodeFact(record);
  if (!fact.ok) return fact;
  const { type, data } = fact.value;
  if (type !== TYPE) return { ok: false, reason: `ce_type is ${type}; this topic holds ${TYPE}` };
  const { experiment, unit, variant } = (data ?? {}) as Partial<UnitExposed>;
  if (typeof experiment !== 'string' || typeof unit !== 'string' || typeof variant !== 'string')
    return { ok: false, reason: 'an exposure needs experiment, unit and variant' };
  return { ok: true, value: { event: fact.value, data: data as UnitExposed } };
}

export function exposureRow({ value: { event, data } }: Item<LoggedExposure>): object {
  const { experiment, unit, variant, deployment } = data;
  return { exposure_id: event.id, experiment, unit, variant, deployment: deployment ?? '', time: event.time };
}
