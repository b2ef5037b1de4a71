import {
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Link,
  INVALID_SPAN_CONTEXT,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { parseTraceParent, suppressTracing } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';

export interface TelemetryOptions {
  readonly service: string;
  readonly otlpEndpoint: string | undefined;
  readonly ratio: number;
  /** Spans go here as they end, instead of to a collector: for tests. */
  readonly exporter?: SpanExporter;
}

export interface SpanOptions {
  readonly kind?: SpanKind;
  /** A function is called for what is recorded only. */
  readonly attributes?: Attributes | (() => Attributes);
  /** W3C traceparent of the parent; without it the active span is the parent. */
  readonly traceparent?: string | undefined;
  readonly links?: readonly Link[];
  /** Milliseconds since the epoch, for work that is reported after it was done. */
  readonly startTime?: number;
}

/** Of a new trace that is not recorded: spans started in its context are not either. */
const UNRECORDED = { span: trace.wrapSpanContext(INVALID_SPAN_CONTEXT), context: suppressTracing(ROOT_CONTEXT) };

/**
 * Traces that follow an event: request, command, record, projection. Without an exporter every call is a test of one boolean.
 * Nothing is global, so several services in one process (and several tests) keep their own.
 */
export class Telemetry {
  readonly enabled: boolean;
  readonly #ratio: number;
  readonly #provider: BasicTracerProvider | undefined;
  readonly #tracer: Tracer | undefined;
  readonly #contexts = new AsyncLocalStorageContextManager();

  constructor(options: TelemetryOptions) {
    const exporter = options.exporter ?? (options.otlpEndpoint === undefined ? undefined : otlp(options.otlpEndpoint));
    this.enabled = exporter !== undefined;
    this.#ratio = options.ratio;
    if (!exporter) return;
    this.#contexts.enable();
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': `millrace-${options.service}`, 'service.namespace': 'millrace' }),
      // Whether a new trace is recorded was decided before.
      sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
      spanProcessors: [options.exporter ? new SimpleSpanProcessor(exporter) : new BatchSpanProcessor(exporter)],
    });
    this.#tracer = this.#provider.getTracer('millrace');
  }

  /** Runs `run` inside a span that ends with it. A rejection marks the span and goes on to the caller. */
  async span<T>(name: string, options: SpanOptions, run: (span: Span | undefined) => Promise<T>): Promise<T> {
    if (!this.#tracer) return run(undefined);
    const started = this.start(name, options);
    const { span } = started as { span: Span };
    try {
      return await this.#contexts.with((started as { context: Context }).context, () => run(span));
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  }

  /** Starts a span for callers that cannot wrap their work in a function; they end it. */
  start(name: string, options: SpanOptions): { readonly span: Span; readonly context: Context } | undefined {
    if (!this.#tracer) return undefined;
    const parent = options.traceparent === undefined ? this.#contexts.active() : contextOf(options.traceparent);
    // A new trace that is not recorded needs no ids, nor do the spans in it.
    if (this.#ratio < 1 && parent === ROOT_CONTEXT && Math.random() >= this.#ratio) return UNRECORDED;
    const { attributes } = options;
    const span = this.#tracer.startSpan(
      name,
      {
        kind: options.kind ?? SpanKind.INTERNAL,
        ...(attributes ? { attributes: typeof attributes === 'function' ? attributes() : attributes } : {}),
        ...(options.links ? { links: [...options.links] } : {}),
        ...(options.startTime === undefined ? {} : { startTime: options.startTime }),
      },
      parent,
    );
    return { span, context: trace.setSpan(parent, span) };
  }

  /** Runs `run` with `context` active. */
  with<T>(context: Context, run: () => T): T {
    return this.#contexts.with(context, run);
  }

  /** W3C traceparent of the active span: what a record made now carries. */
  traceparent(): string | undefined {
    const span = this.#active();
    return span && isSpanContextValid(span.spanContext()) ? traceparentOfSpan(span) : undefined;
  }

  /** Trace and span id of the active span, for log lines. */
  ids(): { trace_id: string; span_id: string } | undefined {
    const context = this.#active()?.spanContext();
    return context && { trace_id: context.traceId, span_id: context.spanId };
  }

  #active(): Span | undefined {
    return this.enabled ? trace.getSpan(this.#contexts.active()) : undefined;
  }

  async close(): Promise<void> {
    if (!this.#provider) return;
    await this.#provider.shutdown();
    this.#contexts.disable();
  }
}

export function traceparentOfSpan(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;
}

/** True for a traceparent whose trace is being recorded; others cost their readers nothing. */
export function isSampled(traceparent: string): boolean {
  const context = parseTraceParent(traceparent);
  return context !== null && isSpanContextValid(context) && (context.traceFlags & TraceFlags.SAMPLED) !== 0;
}

/** The traceparent if it is well-formed; what came from outside is not believed. */
export function validTraceparent(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const context = parseTraceParent(text);
  return context !== null && isSpanContextValid(context) ? text : undefined;
}

function contextOf(traceparent: string): Context {
  const parsed = parseTraceParent(traceparent);
  return parsed && isSpanContextValid(parsed) ? trace.setSpanContext(ROOT_CONTEXT, { ...parsed, isRemote: true }) : ROOT_CONTEXT;
}

function otlp(endpoint: string): SpanExporter {
  return new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` });
}
