import { isSpanContextValid, SpanKind, SpanStatusCode, type Context, type Span } from '@opentelemetry/api';
import type { Metrics } from '../telemetry/metrics.js';
import { traceparentOfSpan, validTraceparent, type Telemetry } from '../telemetry/telemetry.js';

export interface Trace {
  readonly span: Span;
  readonly context: Context;
}

export interface RequestWatchOptions {
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  /** Requests answered at once at most. */
  readonly maxInFlight: number;
}

/** A request that is being answered, and how long and in which trace. */
export interface WatchedRequest {
  readonly method: string;
  readonly startedAt: number;
  /** Trace the request belongs to: its own span's when traces are recorded, the client's otherwise. */
  readonly traceparent: string | undefined;
  readonly trace: Trace | undefined;
  isInFlight: boolean;
}

/** Counts, measures and traces requests, whoever answers them: Fastify by its hooks, or a hot route. */
export class RequestWatch {
  readonly #options: RequestWatchOptions;
  #inFlight = 0;

  constructor(options: RequestWatchOptions) {
    this.#options = options;
    const { metrics } = options;
    metrics.onScrape('http', () => metrics.httpInFlight.set(this.#inFlight));
  }

  /** Requests being answered now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get isFull(): boolean {
    return this.#inFlight >= this.#options.maxInFlight;
  }

  /** `traceparent`: what the client sent. */
  began(method: string, url: string, traceparent: string | readonly string[] | undefined): WatchedRequest {
    this.#inFlight++;
    const startedAt = performance.now();
    const given = validTraceparent(typeof traceparent === 'string' ? traceparent : undefined);
    const { telemetry } = this.#options;
    if (!telemetry.enabled) return { method, startedAt, traceparent: given, trace: undefined, isInFlight: true };
    const trace = telemetry.start(method, {
      kind: SpanKind.SERVER,
      traceparent: given,
      attributes: () => ({ 'http.request.method': method, 'url.path': url.split('?')[0] ?? '' }),
    });
    // A new trace that is not recorded has no ids, and nobody could find it.
    const own = trace && isSpanContextValid(trace.span.spanContext()) ? traceparentOfSpan(trace.span) : given;
    return { method, startedAt, traceparent: own, trace, isInFlight: true };
  }

  /** Runs `run` in the request's trace. */
  in<T>({ trace }: WatchedRequest, run: () => T): T {
    return trace ? this.#options.telemetry.with(trace.context, run) : run();
  }

  /** The client left before the answer; of a request that was answered nothing more is told. */
  left(request: WatchedRequest): void {
    if (!this.#ended(request) || !request.trace?.span.isRecording()) return;
    const { span } = request.trace;
    span.setAttribute('error.type', 'client_left');
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'the client left before the answer' });
    span.end();
  }

  answered(request: WatchedRequest, route: string, status: number): void {
    this.#ended(request);
    const { method, startedAt, trace } = request;
    this.measured(method, route, status, performance.now() - startedAt);
    if (!trace?.span.isRecording()) return;
    const { span } = trace;
    span.updateName(`${method} ${route}`);
    span.setAttributes({ 'http.route': route, 'http.response.status_code': status });
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  /** Whether the request was in flight until now. */
  #ended(request: WatchedRequest): boolean {
    if (!request.isInFlight) return false;
    request.isInFlight = false;
    this.#inFlight--;
    return true;
  }

  /** Of a request that was refused before it began, too. */
  measured(method: string, route: string, status: number, milliseconds: number): void {
    this.#options.metrics.httpSeconds.observe({ method, route, status: String(status) }, milliseconds / 1000);
  }
}
