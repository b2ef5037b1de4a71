import type { DecisionRecord, LoggedDecision } from '@millrace/kernel';
import type { Headers, LogRecord, NewRecord } from './event-log.js';
import { decodeText, encodeText } from './header-text.js';
import { JsonText } from './json-text.js';

/**
 * CloudEvents 1.0, Kafka protocol binding, binary content mode: attributes as `ce_*` headers, the JSON data as the value.
 * Extensions of ours on decisions: `sequence`, `commandid`, `actor`; `traceparent` is the distributed tracing extension.
 */
export interface CloudEvent {
  readonly id: string;
  /** `millrace.<domain>.<Event>.v<N>`. */
  readonly type: string;
  readonly source: string;
  readonly subject?: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly traceparent?: string;
  /** As JSON: {@link JsonText} stands for itself. */
  readonly data: unknown;
}

export interface EventType {
  readonly domain: string;
  readonly name: string;
  readonly version: number;
}

const EVENT_TYPE = /^millrace\.([a-z]+)\.([A-Z][A-Za-z0-9]*)\.v(\d+)$/;

export function formatEventType(type: EventType): string {
  return `millrace.${type.domain}.${type.name}.v${type.version}`;
}

export function parseEventType(text: string | undefined): EventType | undefined {
  const match = text === undefined ? null : EVENT_TYPE.exec(text);
  return match ? { domain: match[1] as string, name: match[2] as string, version: Number(match[3]) } : undefined;
}

const CONTENT_TYPE = 'application/json';

/** A decision as a record of `topic`, keyed by its subject. */
export function encodeDecision(topic: string, domain: string, decision: DecisionRecord): NewRecord {
  const type = formatEventType({ domain, name: decision.type, version: decision.version });
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: decision.id,
    ce_type: type,
    ce_source: `/millrace/${domain}`,
    ce_subject: decision.subject,
    ce_time: new Date(decision.time).toISOString(),
    ce_dataschema: `/schemas/${domain}/${decision.type}/v${decision.version}.json`,
    ce_sequence: String(decision.sequence),
    ce_commandid: decision.commandId,
    ce_actor: encodeText(decision.actor),
    'content-type': CONTENT_TYPE,
  };
  if (decision.keyId !== undefined) headers['ce_keyid'] = decision.keyId;
  if (decision.traceparent !== undefined) headers['ce_traceparent'] = decision.traceparent;
  return { topic, key: decision.subject, value: Buffer.from(JSON.stringify(decision.data)), headers, timestamp: decision.time };
}

/** Why a record is not what its topic holds; the record goes to the dead letters with it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** Reads a decision back. Anything else than a well-formed decision of `domain` is refused with the reason. */
export function decodeDecision(domain: string, record: LogRecord): Parsed<LoggedDecision> {
  const headers = record.headers;
  const type = parseEventType(headers['ce_type']);
  if (!type) return refuse(`ce_type ${quote(headers['ce_type'])} is not millrace.<domain>.<Event>.v<N>`);
  if (type.domain !== domain) return refuse(`ce_type is of domain ${type.domain}, this topic holds ${domain}`);
  const { ce_id: id, ce_subject: subject, ce_commandid: commandId } = headers;
  if (!id || !subject || !commandId) return refuse('ce_id, ce_subject and ce_commandid are required on a decision');
  const sequence = Number(headers['ce_sequence']);
  if (!Number.isSafeInteger(sequence) || sequence < 1)
    return refuse(`ce_sequence ${quote(headers['ce_sequence'])} is not a positive integer`);
  const time = Date.parse(headers['ce_time'] ?? '');
  if (Number.isNaN(time)) return refuse(`ce_time ${quote(headers['ce_time'])} is not an RFC 3339 time`);
  const data = parseJson(record.value);
  if (!data.ok) return data;
  const { topic, partition, offset } = record;
  const decision: LoggedDecision = {
    id,
    type: type.name,
    version: type.version,
    subject,
    sequence,
    commandId,
    actor: decodeText(headers['ce_actor'] ?? ''),
    time,
    data: data.value,
    position: { topic, partition, offset },
  };
  const { ce_keyid: keyId, ce_traceparent: traceparent } = headers;
  const optional = { ...(keyId === undefined ? {} : { keyId }), ...(traceparent === undefined ? {} : { traceparent }) };
  return { ok: true, value: { ...decision, ...optional } };
}

let lastTime = NaN;
let lastIso = '';

/** Many facts are of one millisecond. */
function isoTime(time: number): string {
  if (time !== lastTime) [lastTime, lastIso] = [time, new Date(time).toISOString()];
  return lastIso;
}

/** A fact as a record of `topic`, keyed by the entity it is about. */
export function encodeFact(topic: string, key: string | null, fact: CloudEvent): NewRecord {
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: fact.id,
    ce_type: fact.type,
    ce_source: fact.source,
    ce_time: isoTime(fact.time),
    'content-type': CONTENT_TYPE,
  };
  if (fact.subject !== undefined) headers['ce_subject'] = fact.subject;
  if (fact.traceparent !== undefined) headers['ce_traceparent'] = fact.traceparent;
  const json = fact.data instanceof JsonText ? fact.data.text : JSON.stringify(fact.data);
  return { topic, key, value: Buffer.from(json), headers, timestamp: fact.time };
}

export function decodeFact(record: LogRecord): Parsed<CloudEvent> {
  const head = decodeFactHead(record);
  if (!head.ok) return head;
  const data = parseJson(record.value);
  return data.ok ? { ok: true, value: { ...head.value, data: data.value } } : data;
}

/** A fact without its data, for readers who read that in a way of their own. */
export function decodeFactHead(record: LogRecord): Parsed<Omit<CloudEvent, 'data'>> {
  const { ce_id: id, ce_type: type, ce_source: source, ce_subject: subject, ce_time, ce_traceparent: traceparent } = record.headers;
  if (!id || !type || !source) return refuse('ce_id, ce_type and ce_source are required (CloudEvents 1.0, binary mode)');
  const time = ce_time === undefined ? record.timestamp : Date.parse(ce_time);
  if (Number.isNaN(time)) return refuse(`ce_time ${quote(ce_time)} is not an RFC 3339 time`);
  return {
    ok: true,
    value: {
      id,
      type,
      source,
      time,
      ...(subject === undefined ? {} : { subject }),
      ...(traceparent === undefined ? {} : { traceparent }),
    },
  };
}

/** JSON.parse that returns its failure: a parse error is data's fault, and data is not allowed to throw in a consumer. */
export function parseJson(bytes: Buffer): Parsed<unknown> {
  if (bytes.length === 0) return refuse('the value is not JSON: it is empty, or a tombstone');
  try {
    return { ok: true, value: JSON.parse(bytes.toString('utf8')) as unknown };
  } catch (error) {
    return refuse(`the value is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The trace a record belongs to, whatever kind of record it is. */
export function traceparentOf(headers: Headers): string | undefined {
  return headers['ce_traceparent'] ?? headers['traceparent'];
}

function refuse(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}

function quote(text: string | undefined): string {
  return text === undefined ? '(missing)' : JSON.stringify(text.slice(0, 200));
}
