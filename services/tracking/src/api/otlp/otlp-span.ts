/** A span as OpenTelemetry's protocol buffers have it in JSON; 64-bit integers are text, ids are base64 as protobuf's own mapping has them. */
export interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  name: string;
  kind?: number | string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: OtlpAttribute[];
  droppedAttributesCount?: number;
  events?: object[];
  links?: object[];
  status?: { code?: number | string; message?: string };
}

/** A span with what its exporter says of itself, which is no part of the span. */
export interface ExportedSpan {
  readonly span: OtlpSpan;
  readonly resource: readonly OtlpAttribute[];
}

export interface OtlpAttribute {
  key: string;
  value: OtlpValue;
}

/** One of its fields is set. */
export interface OtlpValue {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string | number;
  doubleValue?: number | string;
  bytesValue?: string;
  arrayValue?: { values?: OtlpValue[] };
  kvlistValue?: { values?: OtlpAttribute[] };
}

/** The text of a value of any kind. */
export function textOf(value: OtlpValue | undefined): string | undefined {
  const plain = plainOf(value);
  return plain === undefined || typeof plain === 'string' ? plain : JSON.stringify(plain);
}

export function plainOf(value: OtlpValue | undefined): unknown {
  if (!value) return undefined;
  const { stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue } = value;
  if (arrayValue) return (arrayValue.values ?? []).map((item) => plainOf(item) ?? null);
  if (kvlistValue) return Object.fromEntries((kvlistValue.values ?? []).map((item) => [item.key, plainOf(item.value) ?? null]));
  if (intValue !== undefined) return Number(intValue);
  return stringValue ?? boolValue ?? doubleValue ?? bytesValue;
}
