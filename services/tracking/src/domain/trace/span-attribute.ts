/** An attribute of a span in the JSON of OpenTelemetry's protocol buffers. */
export interface SpanAttribute {
  readonly key?: string;
  readonly value?: SpanValue;
}

/** A value in that JSON: one of its fields is set. */
export interface SpanValue {
  readonly stringValue?: unknown;
  readonly intValue?: unknown;
  readonly arrayValue?: { readonly values?: readonly SpanValue[] };
  readonly kvlistValue?: { readonly values?: readonly SpanAttribute[] };
  readonly [name: string]: unknown;
}
