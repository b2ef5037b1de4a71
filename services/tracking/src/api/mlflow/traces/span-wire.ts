import { pythonJson } from '@millrace/mlflow-protocol';
import type { LoggedSpan } from '../../../domain/trace/trace-facts.js';
import { plainOf, type OtlpAttribute, type OtlpSpan } from '../../otlp/otlp-span.js';

/** A span in the JSON of OpenTelemetry's protocol buffers with the fields' own names (`string_value`), as MLflow's server writes it. */
export function spanJson({ span }: LoggedSpan): object {
  return snakeCased(JSON.parse(span)) as object;
}

/** Only names of fields are keys there; what people name is a value. */
function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), snakeCased(one)]),
  );
}

const STATUSES: readonly string[] = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'];

interface SpanEvent {
  readonly name?: string;
  readonly timeUnixNano?: string;
  readonly attributes?: readonly OtlpAttribute[];
}

interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes?: readonly OtlpAttribute[];
}

/** Spans in the form of the file that MLflow keeps beside a trace. Nanoseconds are numbers there, longer than a double holds. */
export function traceFileJson(spans: Iterable<LoggedSpan>): object {
  return { spans: Array.from(spans, fileSpan) };
}

function fileSpan({ span: text }: LoggedSpan): object {
  const span = JSON.parse(text) as Omit<OtlpSpan, 'events' | 'links'> & {
    readonly events?: readonly SpanEvent[];
    readonly links?: readonly SpanLink[];
  };
  const { code = 0, message = '' } = span.status ?? {};
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    parent_span_id: span.parentSpanId ?? null,
    name: span.name,
    start_time_unix_nano: exact(span.startTimeUnixNano),
    end_time_unix_nano: span.endTimeUnixNano === '0' ? null : exact(span.endTimeUnixNano),
    events: (span.events ?? []).map((event) => ({
      name: event.name ?? '',
      time_unix_nano: exact(event.timeUnixNano ?? '0'),
      attributes: attributesOf(event.attributes),
    })),
    status: { code: typeof code === 'number' ? (STATUSES[code] ?? STATUSES[0]) : code, message },
    // The client reads each of these as JSON text of its own.
    attributes: Object.fromEntries(Object.entries(attributesOf(span.attributes)).map(([key, value]) => [key, pythonJson(value)])),
    links: (span.links ?? []).map((link) => ({
      trace_id: `tr-${Buffer.from(link.traceId, 'base64').toString('hex')}`,
      span_id: Buffer.from(link.spanId, 'base64').toString('hex'),
      attributes: attributesOf(link.attributes),
    })),
  };
}

function attributesOf(attributes: readonly OtlpAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plainOf(value) ?? null]));
}

/** A whole number as it is written; JavaScript has it in JSON since version 2025 of the language. */
function exact(digits: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits);
}
