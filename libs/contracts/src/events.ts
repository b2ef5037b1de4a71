import { EVENTS } from './generated/catalog.js';
import { validators } from './generated/event-validators.js';
import { upcasters } from './upcasters.js';
import type { ValidationError } from './validator.js';

/** What a reader made of an event: its data in the newest version, or why it is not what it says it is. */
export type ReadEvent<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

const EVENT_TYPE = /^millrace\.([a-z]+)\.([A-Z][A-Za-z0-9]*)\.v([1-9]\d*)$/;

/** Checks data against the schema of one version of an event. Properties the schema does not know pass: the writer may be newer. */
export function checkEvent(domain: string, name: string, version: number, data: unknown): string | undefined {
  const key = `${domain}.${name}.v${version}`;
  const validate = validators[key];
  if (!validate) return `there is no schema of ${key}`;
  if (validate(data)) return undefined;
  return `the data is not ${key}: ${(validate.errors ?? []).map(sentenceOf).join('; ')}`;
}

/** Checks an event that came as JSON and lifts it to the newest version. */
export function readEvent<T>(domain: string, name: string, version: number, data: unknown): ReadEvent<T> {
  const wrong = checkEvent(domain, name, version, data);
  if (wrong !== undefined) return { ok: false, reason: wrong };
  const lifted = upcasters.lift(domain, name, version, data);
  return lifted.ok ? { ok: true, value: lifted.data as T } : lifted;
}

/**
 * A reader of one type of fact, for a consumer's `decode`: other types of ours are skipped; a type that this build does not know, and data that does
 * not fit its schema, are refused with the reason, which is what the dead letter will carry.
 */
export function factReader<T>(
  domain: string,
  name: string,
): (event: { readonly type: string; readonly data: unknown }) => ReadEvent<T> | { readonly ok: 'skip'; readonly reason: string } {
  return (event) => {
    const match = EVENT_TYPE.exec(event.type);
    if (!match) return { ok: false, reason: `type ${JSON.stringify(event.type.slice(0, 200))} is not millrace.<domain>.<Event>.v<N>` };
    if (match[1] !== domain || match[2] !== name) {
      const isKnown = EVENTS.some((known) => known.domain === match[1] && known.name === match[2]);
      return {
        ok: isKnown ? 'skip' : false,
        reason: isKnown ? `${event.type} is not ${domain}.${name}` : `there is no event ${event.type}`,
      };
    }
    return readEvent<T>(domain, name, Number(match[3]), event.data);
  };
}

function sentenceOf(error: ValidationError): string {
  return `${error.instancePath === '' ? 'it' : error.instancePath} ${error.message ?? error.keyword}`;
}
