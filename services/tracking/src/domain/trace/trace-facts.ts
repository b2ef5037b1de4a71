/**
 * What is told of a trace: facts on `millrace.tracking.traces`, keyed by the trace, so that they are in order. Nobody decides about a
 * trace; what it is now is what the facts say together: {@link foldTrace}.
 */
export type TraceFact =
  | { readonly type: 'TraceLogged'; readonly data: TraceLogged }
  | { readonly type: 'SpansLogged'; readonly data: SpansLogged }
  | { readonly type: 'TraceTagged'; readonly data: TraceTagged }
  | { readonly type: 'TraceAssessed'; readonly data: TraceAssessed }
  | { readonly type: 'TraceLinked'; readonly data: TraceLinked }
  | { readonly type: 'TraceDeleted'; readonly data: TraceDeleted };

export const TRACE_STATES = ['STATE_UNSPECIFIED', 'OK', 'ERROR', 'IN_PROGRESS'] as const;
export type TraceState = (typeof TRACE_STATES)[number];

interface OfTrace {
  /** `tr-` and 32 hex characters as MLflow makes them; older clients take what the server gives. */
  readonly traceId: string;
  readonly experimentId: string;
}

/** A client's account of a trace; a later one says it anew, and adds to the metadata and tags. */
export interface TraceLogged extends OfTrace {
  /** Milliseconds since the epoch, by the client's clock. */
  readonly requestTime: number;
  /** `null`: not over, or not told. */
  readonly executionMs: number | null;
  readonly state: TraceState;
  readonly clientRequestId: string | null;
  readonly requestPreview: string | null;
  readonly responsePreview: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

export interface SpansLogged extends OfTrace {
  readonly spans: readonly LoggedSpan[];
  /** Tags they give their trace. */
  readonly tags?: Readonly<Record<string, string>>;
}

export interface LoggedSpan {
  /** 16 hex characters. */
  readonly spanId: string;
  /** `null`: the root. */
  readonly parentSpanId: string | null;
  readonly name: string;
  /** Nanoseconds since the epoch, as text: a double does not hold them. */
  readonly startNs: string;
  /** `0`: not over. */
  readonly endNs: string;
  readonly state: TraceState;
  readonly requestPreview: string | null;
  readonly responsePreview: string | null;
  /** The whole span in the JSON of OpenTelemetry's protocol buffers. */
  readonly span: string;
}

export interface TraceTagged extends OfTrace {
  readonly key: string;
  /** `null`: taken away. */
  readonly value: string | null;
}

export interface TraceAssessed extends OfTrace {
  readonly assessmentId: string;
  /** JSON text in MLflow's form; `null`: taken away. */
  readonly assessment: string | null;
}

/** A run the trace belongs to. */
export interface TraceLinked extends OfTrace {
  readonly runId: string;
}

export type TraceDeleted = OfTrace;
