import type { SpanAttribute, SpanValue } from './span-attribute.js';
import type { LoggedSpan } from './trace-facts.js';

export const SESSION = 'mlflow.trace.session';
const USER = 'mlflow.trace.user';
/** Metadata in which a client, or we from the spans, tell how many tokens a trace took, as JSON. */
export const TOKEN_USAGE = 'mlflow.trace.tokenUsage';
/** What metadata of a trace is at most long; an id of a session beyond it is none. */
const MOST_LENGTH = 250;

const NAMED: readonly (readonly [string, readonly string[]])[] = [
  [SESSION, ['session.id', 'gen_ai.conversation.id']],
  [USER, ['user.id']],
];

/** The session and the user that spans name by OpenTelemetry's conventions, as metadata of their trace; the first span that names one is heard. */
export function namedBySpans(spans: Iterable<LoggedSpan>): Map<string, string> {
  const named = new Map<string, string>();
  for (const { span } of spans) {
    for (const [name, keys] of NAMED) {
      if (named.has(name) || !keys.some((key) => span.includes(key))) continue;
      const attributes = attributesOf(span);
      const text = keys.map((key) => attributes.get(key)).find((value) => typeof value?.stringValue === 'string')?.stringValue as
        string | undefined;
      if (text && text.length <= MOST_LENGTH) named.set(name, text);
    }
  }
  return named;
}

/** The tokens of all spans as JSON; of a span below one that counts them, they are in that one's. */
export function tokensOfSpans(spans: ReadonlyMap<string, LoggedSpan>): string | undefined {
  const counted = new Map<string, ReadonlyMap<string, number>>();
  for (const [id, { span }] of spans) {
    const usage = tokensOfSpan(span);
    if (usage) counted.set(id, usage);
  }
  if (counted.size === 0) return undefined;
  // MLflow's server tells of these three wherever it tells of any.
  const total: Record<string, number> = { input_tokens: 0, output_tokens: 0, total_tokens: 0 };
  for (const [id, usage] of counted) {
    if (isBelow(id, counted, spans)) continue;
    for (const [key, count] of usage) total[key] = (total[key] ?? 0) + count;
  }
  return JSON.stringify(total);
}

const USAGE = 'mlflow.chat.tokenUsage';

/** The tokens one span tells of, by their kind. */
export function tokensOfSpan(span: string): ReadonlyMap<string, number> | undefined {
  return span.includes(USAGE) ? countsOf(attributesOf(span).get(USAGE)) : undefined;
}

function isBelow(id: string, counted: ReadonlyMap<string, unknown>, spans: ReadonlyMap<string, LoggedSpan>): boolean {
  const seen = new Set([id]);
  for (let above = spans.get(id)?.parentSpanId; above != null && !seen.has(above); above = spans.get(above)?.parentSpanId) {
    if (counted.has(above)) return true;
    seen.add(above);
  }
  return false;
}

function attributesOf(span: string): Map<string | undefined, SpanValue | undefined> {
  const { attributes = [] } = JSON.parse(span) as { attributes?: readonly SpanAttribute[] };
  return new Map(attributes.map(({ key, value }) => [key, value]));
}

function countsOf(value: SpanValue | undefined): ReadonlyMap<string, number> | undefined {
  const pairs = value?.kvlistValue?.values ?? [];
  const counts = pairs.map(({ key, value: count }) => [key ?? '', Number(count?.intValue ?? Number.NaN)] as const);
  const whole = counts.filter(([key, count]) => key !== '__proto__' && Number.isSafeInteger(count));
  return whole.length === 0 ? undefined : new Map(whole);
}
