import { factReader } from '@millrace/contracts';
import { decodeFact, decodeOnce, type CloudEvent, type Decoded, type LogRecord } from '@millrace/event-log';

/** A fact whose data fits its schema. */
export interface LoggedFact<T> {
  readonly event: CloudEvent;
  readonly data: T;
}

/** Decodes one type of fact, once for all who read the record: what is no CloudEvent, or does not fit its schema, is refused with the reason. */
export function factDecoder<T>(domain: string, type: string): (record: LogRecord) => Decoded<LoggedFact<T>> {
  const read = factReader<T>(domain, type);
  return decodeOnce((record): Decoded<LoggedFact<T>> => {
    const fact = decodeFact(record);
    if (!fact.ok) return fact;
    const data = read(fact.value);
    return data.ok === true ? { ok: true, value: { event: fact.value, data: data.value } } : data;
  });
}
