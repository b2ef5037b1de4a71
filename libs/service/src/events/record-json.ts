import { parseEventType, readDeadLetter, type LogRecord } from '@millrace/event-log';
import { compactJson } from './compact-json.js';

/** A record of any topic as a line of JSON: where it is, what its envelope says, and its data, or its bytes where they are no JSON. */
export interface RecordJson {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  /** RFC 3339. */
  readonly time: string;
  /** Of a CloudEvent: its attributes and ours, named as they are on the wire without `ce_`. */
  readonly id?: string;
  readonly type?: string;
  readonly subject?: string;
  readonly source?: string;
  readonly sequence?: number;
  readonly commandid?: string;
  readonly actor?: string;
  readonly keyid?: string;
  readonly traceparent?: string;
  readonly deadLetter?: {
    readonly id: string;
    readonly consumer: string;
    readonly code: string;
    readonly reason: string;
    readonly time: string;
  };
  readonly data?: unknown;
  /** The value of a record that is not JSON, as text when it is UTF-8. */
  readonly text?: string;
  readonly base64?: string;
}

const ATTRIBUTES = ['id', 'type', 'subject', 'source', 'commandid', 'keyid', 'traceparent'] as const;
/** A record of 20 MB is shown by its beginning: this is for people to look at. */
const LONGEST_VALUE = 1024 * 1024;

/** A {@link RecordJson} as text. Its value stands last, and `data` as they were written: parsing would round their long numbers. */
export function recordLine(record: LogRecord, isDeadLetter: boolean): string {
  return `${JSON.stringify(recordJson(record, isDeadLetter)).slice(0, -1)},${valueOf(record.value)}}`;
}

function recordJson(record: LogRecord, isDeadLetter: boolean): Omit<RecordJson, 'data' | 'text' | 'base64'> {
  const { topic, partition, offset, key, headers } = record;
  const attributes: Record<string, string | number> = {};
  for (const name of ATTRIBUTES) {
    const value = headers[`ce_${name}`];
    if (value !== undefined) attributes[name] = value;
  }
  const sequence = Number(headers['ce_sequence']);
  if (parseEventType(headers['ce_type']) && Number.isSafeInteger(sequence)) attributes['sequence'] = sequence;
  const actor = headers['ce_actor'];
  if (actor !== undefined) attributes['actor'] = decoded(actor);
  return {
    topic,
    partition,
    offset,
    key,
    time: headers['ce_time'] ?? new Date(record.timestamp).toISOString(),
    ...attributes,
    ...(isDeadLetter ? { deadLetter: letterOf(record) } : {}),
  };
}

function letterOf(record: LogRecord): NonNullable<RecordJson['deadLetter']> {
  const { id, consumer, code, reason, time } = readDeadLetter(record);
  return { id, consumer, code, reason, time };
}

function valueOf(value: Buffer): string {
  const shown = value.subarray(0, LONGEST_VALUE);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(shown);
  } catch {
    return `"base64":"${shown.toString('base64')}"`;
  }
  if (shown.length === value.length && isJson(text)) return `"data":${compactJson(text)}`;
  return `"text":${JSON.stringify(text)}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
