import { decodeFact, type CloudEvent } from './cloud-events.js';
import { decodeOnce } from './decode-once.js';
import type { LogRecord } from './event-log.js';
import type { Decoded } from './log-consumer.js';

/** A fact whose data fits its schema. */
export interface LoggedFact<T> {
  readonly event: CloudEvent;
  readonly data: T;
}

/**
 * Decodes facts of the type that `read` knows, once for all who read the record: what is no CloudEvent, or does not fit its schema, is refused with the reason.
 */
export function factDecoder<T>(read: (event: CloudEvent) => Decoded<T>): (record: LogRecord) => Decoded<LoggedFact<T>> {
  return decodeOnce((record): Decoded<LoggedFact<T>> => {
    const fact = decodeFact(record);
    if (!fact.ok) return fact;
    const data = read(fact.value);
    return data.ok === true ? { ok: true, value: { event: fact.value, data: data.value } } : data;
  });
}
