import { invalid } from '@millrace/mlflow-protocol';
import type { ExportedSpan, OtlpAttribute, OtlpSpan, OtlpValue } from './otlp-span.js';
import { readMessage, type ProtobufReader } from './protobuf-reader.js';

/** Values may nest in one another; a message that nests deeper is not read. */
const DEEPEST = 50;

/** The spans of an `ExportTraceServiceRequest` in protobuf, each with its resource. */
export function spansOfProtobuf(body: Uint8Array): ExportedSpan[] {
  try {
    const spans: ExportedSpan[] = [];
    readMessage(body, { 1: (reader) => readResourceSpans(reader.slice(), spans) });
    return spans;
  } catch (error) {
    if (error instanceof RangeError) throw invalid(`The body is not an OTLP ExportTraceServiceRequest: ${error.message}.`);
    throw error;
  }
}

/** The spans of the same request in JSON, where OpenTelemetry writes ids as hex. */
export function spansOfJson(body: Uint8Array): ExportedSpan[] {
  let request: unknown;
  try {
    request = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    throw invalid(`The body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  // In JSON a level of values is a list in an object in an object, and a span lies in a few of its own.
  if (isDeeperThan(request, DEEPEST * 4))
    throw invalid(`The body is not an OTLP ExportTraceServiceRequest: an attribute nests deeper than ${DEEPEST}.`);
  const found: ExportedSpan[] = [];
  for (const part of listOf(request, 'resourceSpans')) {
    const resource = attributesOf((part as { resource?: unknown }).resource);
    for (const scope of listOf(part, 'scopeSpans')) {
      for (const span of listOf(scope, 'spans'))
        found.push({ span: spanOfJson(span as unknown as Readonly<Record<string, unknown>>), resource });
    }
  }
  return found;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeperThan(part, levels - 1));
}

function listOf(of: unknown, name: string): object[] {
  const list: unknown = (of as Record<string, unknown> | null)?.[name] ?? [];
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'object' || item === null))
    throw invalid(`${name} is not a list of objects.`);
  return list as object[];
}

function attributesOf(resource: unknown): OtlpAttribute[] {
  return listOf(resource, 'attributes').filter((one): one is OtlpAttribute => typeof (one as Partial<OtlpAttribute>).key === 'string');
}

function spanOfJson(span: Readonly<Record<string, unknown>>): OtlpSpan {
  const id = (name: string, bytes: number, isNeeded: boolean): string | undefined => {
    const value = span[name];
    if (!isNeeded && (value === undefined || value === null || value === '')) return undefined;
    if (typeof value !== 'string' || value.length !== bytes * 2 || !/^[0-9a-fA-F]+$/.test(value)) {
      throw invalid(`${name} of a span is not ${bytes * 2} hexadecimal digits.`);
    }
    return Buffer.from(value, 'hex').toString('base64');
  };
  const time = (name: string): string => {
    const value = span[name] ?? '0';
    if ((typeof value !== 'string' && typeof value !== 'number') || !/^\d{1,20}$/.test(String(value))) {
      throw invalid(`${name} of a span is not a number of nanoseconds.`);
    }
    return String(value);
  };
  const parentSpanId = id('parentSpanId', 8, false);
  listOf(span, 'attributes');
  return {
    ...(span as unknown as OtlpSpan),
    traceId: id('traceId', 16, true) as string,
    spanId: id('spanId', 8, true) as string,
    ...(parentSpanId === undefined ? { parentSpanId: undefined as never } : { parentSpanId }),
    name: typeof span['name'] === 'string' ? span['name'] : '',
    startTimeUnixNano: time('startTimeUnixNano'),
    endTimeUnixNano: time('endTimeUnixNano'),
  };
}

function readResourceSpans(bytes: Uint8Array, spans: ExportedSpan[]): void {
  // The resource may come after its spans, so they share the list that it fills.
  const resource: OtlpAttribute[] = [];
  readMessage(bytes, {
    1: (reader) => readMessage(reader.slice(), { 1: (attribute) => resource.push(readAttribute(attribute.slice(), 0)) }),
    2: (reader) => readMessage(reader.slice(), { 2: (scope) => spans.push({ span: readSpan(scope.slice()), resource }) }),
  });
}

function readSpan(bytes: Uint8Array): OtlpSpan {
  const span: OtlpSpan = { traceId: '', spanId: '', name: '', startTimeUnixNano: '0', endTimeUnixNano: '0' };
  const [attributes, events, links]: [OtlpAttribute[], object[], object[]] = [[], [], []];
  readMessage(bytes, {
    1: (reader) => void (span.traceId = idOf(reader, 16, 'trace_id')),
    2: (reader) => void (span.spanId = idOf(reader, 8, 'span_id')),
    3: (reader) => void (span.traceState = reader.text()),
    4: (reader) => {
      const parent = Buffer.from(reader.slice()).toString('base64');
      if (parent !== '') span.parentSpanId = parent;
    },
    5: (reader) => void (span.name = reader.text()),
    6: (reader) => void (span.kind = Number(reader.varint())),
    7: (reader) => void (span.startTimeUnixNano = String(reader.fixed64())),
    8: (reader) => void (span.endTimeUnixNano = String(reader.fixed64())),
    9: (reader) => attributes.push(readAttribute(reader.slice(), 0)),
    10: (reader) => void (span.droppedAttributesCount = Number(reader.varint())),
    11: (reader) => events.push(readEvent(reader.slice())),
    13: (reader) => links.push(readLink(reader.slice())),
    15: (reader) => {
      const status: { code?: number; message?: string } = {};
      readMessage(reader.slice(), {
        2: (field) => void (status.message = field.text()),
        3: (field) => void (status.code = Number(field.varint())),
      });
      span.status = status;
    },
  });
  if (span.traceId === '' || span.spanId === '') throw new RangeError('a span has no trace_id or no span_id');
  return { ...span, attributes, events, links };
}

function readEvent(bytes: Uint8Array): object {
  const event: { timeUnixNano: string; name: string; attributes: OtlpAttribute[] } = { timeUnixNano: '0', name: '', attributes: [] };
  readMessage(bytes, {
    1: (reader) => void (event.timeUnixNano = String(reader.fixed64())),
    2: (reader) => void (event.name = reader.text()),
    3: (reader) => event.attributes.push(readAttribute(reader.slice(), 0)),
  });
  return event;
}

function readLink(bytes: Uint8Array): object {
  const link: { traceId: string; spanId: string; attributes: OtlpAttribute[] } = { traceId: '', spanId: '', attributes: [] };
  readMessage(bytes, {
    1: (reader) => void (link.traceId = idOf(reader, 16, 'trace_id')),
    2: (reader) => void (link.spanId = idOf(reader, 8, 'span_id')),
    4: (reader) => link.attributes.push(readAttribute(reader.slice(), 0)),
  });
  return link;
}

function readAttribute(bytes: Uint8Array, depth: number): OtlpAttribute {
  const attribute: OtlpAttribute = { key: '', value: {} };
  readMessage(bytes, {
    1: (reader) => void (attribute.key = reader.text()),
    2: (reader) => void (attribute.value = readValue(reader.slice(), depth + 1)),
  });
  return attribute;
}

function readValue(bytes: Uint8Array, depth: number): OtlpValue {
  if (depth > DEEPEST) throw new RangeError(`an attribute nests deeper than ${DEEPEST}`);
  const value: OtlpValue = {};
  readMessage(bytes, {
    1: (reader) => void (value.stringValue = reader.text()),
    2: (reader) => void (value.boolValue = reader.varint() !== 0n),
    3: (reader) => void (value.intValue = String(BigInt.asIntN(64, reader.varint()))),
    4: (reader) => {
      const double = reader.double();
      value.doubleValue = Number.isFinite(double) ? double : String(double);
    },
    5: (reader) => {
      const values: OtlpValue[] = [];
      readMessage(reader.slice(), { 1: (item) => values.push(readValue(item.slice(), depth + 1)) });
      value.arrayValue = { values };
    },
    6: (reader) => {
      const values: OtlpAttribute[] = [];
      readMessage(reader.slice(), { 1: (item) => values.push(readAttribute(item.slice(), depth + 1)) });
      value.kvlistValue = { values };
    },
    7: (reader) => void (value.bytesValue = Buffer.from(reader.slice()).toString('base64')),
  });
  return value;
}

function idOf(reader: ProtobufReader, bytes: number, name: string): string {
  const id = reader.slice();
  if (id.length !== bytes) throw new RangeError(`${name} has ${id.length} bytes instead of ${bytes}`);
  return Buffer.from(id).toString('base64');
}
