import { parseJson, type LogRecord } from '@millrace/event-log';
import { readPlainSourceEvent, readSourceEvent, type DecodedEvent } from './source-event.js';
import type { SourcePlan } from './source-plan.js';

/** How a source's records hold their columns: as the value itself, or as the data of a CloudEvent. */
export type SourceFormat = 'json' | 'cloudevents';

/**
 * Reads a record of a source: a JSON object of its columns, or a CloudEvent (binary or structured mode) whose data is one, or says why it is neither.
 * Whatever reads a source reads its records through this.
 */
export function readSourceRecord(plan: SourcePlan, format: SourceFormat, { value, headers, partition, offset }: LogRecord): DecodedEvent {
  const plain = isCloudEvent(format, headers) ? undefined : readPlainSourceEvent(plan, value, partition, offset);
  if (plain) return plain;
  const parsed = parseJson(value);
  return parsed.ok ? readSourceEvent(plan, fieldsOf(format, parsed.value, headers), partition, offset) : parsed;
}

const ATTRIBUTES = ['id', 'source', 'type', 'subject', 'time'] as const;

/** The columns' fields: of a CloudEvent its data, and behind them its own attributes by their names. */
function fieldsOf(format: SourceFormat, value: unknown, headers: LogRecord['headers']): unknown {
  if (!isCloudEvent(format, headers)) return value;
  const structured = isStructured(headers);
  if (typeof value !== 'object' || value === null) return value;
  if (structured || ('specversion' in value && 'data' in value)) return cloudEventFields(value as Readonly<Record<string, unknown>>);
  const attributes: Record<string, unknown> = {};
  for (const name of ATTRIBUTES) if (headers[`ce_${name}`] !== undefined) attributes[name] = headers[`ce_${name}`];
  return { ...attributes, ...value };
}

/** Otherwise the value alone is the event. */
function isCloudEvent(format: SourceFormat, headers: LogRecord['headers']): boolean {
  return format === 'cloudevents' || headers['ce_specversion'] !== undefined || isStructured(headers);
}

function isStructured(headers: LogRecord['headers']): boolean {
  return headers['content-type']?.startsWith('application/cloudevents') ?? false;
}

/** The columns' fields of a CloudEvent in structured form. */
export function cloudEventFields(event: Readonly<Record<string, unknown>>): unknown {
  const { data } = event;
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return data;
  const attributes: Record<string, unknown> = {};
  for (const name of ATTRIBUTES) if (event[name] !== undefined) attributes[name] = event[name];
  return { ...attributes, ...data };
}
