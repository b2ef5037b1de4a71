import { namedBySpans, TOKEN_USAGE, tokensOfSpans } from './span-account.js';
import type { LoggedSpan, TraceFact, TraceState } from './trace-facts.js';

export interface Trace {
  readonly traceId: string;
  readonly experimentId: string;
  requestTime: number;
  executionMs: number | null;
  state: TraceState;
  clientRequestId: string | null;
  requestPreview: string | null;
  responsePreview: string | null;
  readonly metadata: Map<string, string>;
  readonly tags: Map<string, string>;
  readonly runs: Set<string>;
  /** By id; JSON text. */
  readonly assessments: Map<string, string>;
  /** By id. */
  readonly spans: Map<string, LoggedSpan>;
  /** Whether a client gave its account; until then the spans are all that is known. */
  isTold: boolean;
  isDeleted: boolean;
}

/** The run a client says its trace belongs to. */
export const SOURCE_RUN = 'mlflow.sourceRun';
export const TRACE_NAME = 'mlflow.traceName';
/** The tag that holds, as JSON, the names and versions of the prompts a trace has loaded. */
export const LINKED_PROMPTS = 'mlflow.linkedPrompts';
/** Where clients find the spans; ours are with the trace. */
export const SPANS_LOCATION = 'mlflow.trace.spansLocation';

/**
 * What the facts of one trace, in order, say together; `undefined` without any, or after its deletion. A fact told twice counts once.
 * `hasSpans`: it has spans, also if they are not among the facts.
 */
export function foldTrace(facts: Iterable<TraceFact>, hasSpans = false): Trace | undefined {
  let trace: Trace | undefined;
  for (const fact of facts) {
    trace ??= empty(fact.data.traceId, fact.data.experimentId);
    apply(trace, fact);
  }
  if (!trace || trace.isDeleted) return undefined;
  if (!trace.isTold) tellFromSpans(trace);
  if (hasSpans || trace.spans.size > 0) trace.tags.set(SPANS_LOCATION, 'TRACKING_STORE');
  return trace;
}

function apply(trace: Trace, { type, data }: TraceFact): void {
  switch (type) {
    case 'TraceLogged': {
      const { metadata, tags, traceId: _, experimentId: __, ...told } = data;
      Object.assign(trace, told);
      trace.isTold = true;
      trace.isDeleted = false;
      for (const [key, value] of Object.entries(metadata)) trace.metadata.set(key, value);
      for (const [key, value] of Object.entries(tags)) trace.tags.set(key, value);
      const run = trace.metadata.get(SOURCE_RUN);
      if (run !== undefined) trace.runs.add(run);
      return;
    }
    case 'SpansLogged':
      for (const span of data.spans) trace.spans.set(span.spanId, span);
      for (const [key, value] of Object.entries(data.tags ?? {})) trace.tags.set(key, value);
      return;
    case 'TraceTagged':
      if (data.value === null) trace.tags.delete(data.key);
      else trace.tags.set(data.key, data.value);
      return;
    case 'TraceAssessed':
      if (data.assessment === null) trace.assessments.delete(data.assessmentId);
      else trace.assessments.set(data.assessmentId, data.assessment);
      return;
    case 'TraceLinked':
      trace.runs.add(data.runId);
      return;
    case 'TraceDeleted':
      trace.isDeleted = true;
  }
}

/**
 * Its spans, the root first and then as they began. They come to the log as they end, the root last; programs take the first one for the
 * root, as with MLflow.
 */
export function spansInOrder({ spans }: Trace): LoggedSpan[] {
  const rank = ({ parentSpanId }: LoggedSpan): number => (parentSpanId === null ? 0 : 1);
  const began = new Map(Array.from(spans.values(), (span) => [span, BigInt(span.startNs)]));
  return [...spans.values()].sort((one, other) => rank(one) - rank(other) || compare(began.get(one) ?? 0n, began.get(other) ?? 0n));
}

function compare(one: bigint, other: bigint): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** A trace of which only spans have come (from any OpenTelemetry exporter) is what its root says. */
function tellFromSpans(trace: Trace): void {
  const spans = [...trace.spans.values()];
  const [first] = spans;
  if (!first) return;
  const root = spans.find((span) => span.parentSpanId === null);
  const start = spans.reduce((least, { startNs }) => (BigInt(startNs) < least ? BigInt(startNs) : least), BigInt(first.startNs));
  trace.requestTime = Number(start / 1_000_000n);
  for (const [key, value] of namedBySpans(spans)) trace.metadata.set(key, value);
  const tokens = tokensOfSpans(trace.spans);
  if (tokens !== undefined) trace.metadata.set(TOKEN_USAGE, tokens);
  if (!root) return;
  const summary = rootSummary(root);
  trace.executionMs = summary.executionMs;
  trace.state = summary.state;
  trace.requestPreview = root.requestPreview;
  trace.responsePreview = root.responsePreview;
  if (!trace.tags.has(TRACE_NAME)) trace.tags.set(TRACE_NAME, root.name);
}

/** What a root span alone says of its trace. */
export function rootSummary(root: LoggedSpan): { requestTime: number; executionMs: number | null; state: TraceState } {
  const [start, end] = [BigInt(root.startNs), BigInt(root.endNs)];
  const isOver = end > 0n;
  return {
    requestTime: Number(start / 1_000_000n),
    executionMs: isOver ? Number((end - start) / 1_000_000n) : null,
    state: isOver ? (root.state === 'STATE_UNSPECIFIED' ? 'OK' : root.state) : 'IN_PROGRESS',
  };
}

function empty(traceId: string, experimentId: string): Trace {
  return {
    traceId,
    experimentId,
    requestTime: 0,
    executionMs: null,
    state: 'STATE_UNSPECIFIED',
    clientRequestId: null,
    requestPreview: null,
    responsePreview: null,
    metadata: new Map(),
    tags: new Map(),
    runs: new Set(),
    assessments: new Map(),
    spans: new Map(),
    isTold: false,
    isDeleted: false,
  };
}
