import type { SpanAttribute, SpanValue } from './span-attribute.js';
import type { LoggedSpan } from './trace-facts.js';

/** What is searched of one span; the rest of a longer one is kept and not searched. */
export const MOST_SPAN_TEXT = 100_000;

interface Span {
  readonly attributes?: readonly SpanAttribute[];
  readonly events?: readonly { readonly name?: string; readonly attributes?: readonly SpanAttribute[] }[];
  readonly status?: { readonly message?: unknown };
}

/** What a person may look for in a span: its name, its attributes with their keys, its events and the message of its status. */
export function spanText({ name, span }: Pick<LoggedSpan, 'name' | 'span'>): string {
  const { attributes = [], events = [], status } = JSON.parse(span) as Span;
  const lines = [name, ...attributes.map(attributeText)];
  for (const event of events) lines.push(event.name ?? '', ...(event.attributes ?? []).map(attributeText));
  if (typeof status?.message === 'string' && status.message !== '') lines.push(status.message);
  return lines.join('\n').slice(0, MOST_SPAN_TEXT);
}

function attributeText({ key, value }: SpanAttribute): string {
  return `${key ?? ''}: ${valueText(value)}`;
}

function valueText(value: SpanValue | undefined): string {
  if (!value) return '';
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(valueText).join(', ');
  if (value.kvlistValue) return (value.kvlistValue.values ?? []).map(attributeText).join(', ');
  return Object.values(value).map(String).join(' ');
}
