import {
  logVerbosity,
  Server,
  setLogVerbosity,
  status as Grpc,
  type Metadata,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Fault } from '@millrace/kernel';
import {
  admitCall,
  ASK_HEADER,
  callCredentialsEnd,
  traceparentOfSpan,
  validTraceparent,
  type Access,
  type AdmittedCall,
  type Telemetry,
} from '@millrace/service';
import { SpanKind, SpanStatusCode, type Span } from '@opentelemetry/api';
import type { InferenceMetrics } from '../../../metrics.js';
import { grpcErrorOf, type GrpcError } from './grpc-error.js';
import {
  grpcHandlers,
  INFER_ROUTE,
  inferByMessage,
  type CallContext,
  type GrpcHandlersOptions,
  type UnaryHandler,
} from './grpc-handlers.js';
import type { GrpcCredentials } from './grpc-tls.js';
import type { ModelInferRequest } from './infer-message.js';
import { inferenceService, type Rpc } from './inference-service.js';

export interface GrpcServerOptions extends GrpcHandlersOptions {
  readonly access: Access;
  readonly telemetry: Telemetry;
  readonly metrics: InferenceMetrics;
  /** Bytes of a message at most. */
  readonly maxMessageBytes: number;
  /** Calls answered at the same time; beyond it UNAVAILABLE. */
  readonly maxInFlight: number;
  readonly keepAliveMs: number;
  readonly onDefect: (error: unknown, rpc: Rpc) => void;
  readonly credentials: GrpcCredentials;
}

// What it would write on standard error is told by our own errors and log lines.
setLogVerbosity(logVerbosity.NONE);

/** Calls one connection may have open: what bounds the memory a single client can hold. */
const MAX_STREAMS = 1024;

/** Where a started server listens and how it ends. */
export interface RunningGrpcServer {
  /** `127.0.0.1:8081`, with the port that was really taken. */
  readonly address: string;
  /** Lets calls under way settle; what is not over after `deadlineMs` is cut off. */
  close(deadlineMs: number): Promise<void>;
}

/** Answers the Open Inference Protocol over gRPC on `host` and `port`; 0 takes a free one. */
export async function startGrpcServer(options: GrpcServerOptions, host: string, port: number): Promise<RunningGrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': MAX_STREAMS,
    // A connection whose other end is gone is noticed, and one that asks nothing is let go.
    'grpc.keepalive_time_ms': options.keepAliveMs,
    'grpc.max_connection_idle_ms': options.keepAliveMs,
  });
  server.addService(inferenceService(), new GrpcCalls(options).implementation());
  const bound = await bind(server, host, port, options.credentials);
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: (deadlineMs) => (options.credentials.stop(), close(server, deadlineMs)),
  };
}

function bind(server: Server, host: string, port: number, { credentials }: GrpcCredentials): Promise<number> {
  const address = host.includes(':') ? `[${host}]` : host;
  return new Promise((resolve, reject) => {
    server.bindAsync(`${address}:${port}`, credentials, (error, bound) => {
      if (!error) resolve(bound);
      else if (error.message.includes('EADDRINUSE')) {
        const message = `port ${port} of ${host} is taken by another process; stop that one, or set MILLRACE_GRPC_PORT`;
        reject(new Fault('MR_PORT_IN_USE', message, false, { cause: error }));
      } else reject(error);
    });
  });
}

function close(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.forceShutdown(), deadlineMs);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}

type AnyCall = ServerUnaryCall<never, object> | ServerDuplexStream<ModelInferRequest, object>;

/** What every call goes through: the bound on calls, who may come in, trace, deadline, cancellation, and the error's status. */
class GrpcCalls {
  #inFlight = 0;

  constructor(private readonly options: GrpcServerOptions) {}

  implementation(): UntypedServiceImplementation {
    const unary = Object.entries(grpcHandlers(this.options)).map(([rpc, handler]) => [rpc, this.#unary(rpc as Rpc, handler)] as const);
    const stream = (call: ServerDuplexStream<ModelInferRequest, object>) => void this.#stream(call);
    return { ...Object.fromEntries(unary), ModelStreamInfer: stream };
  }

  #unary(rpc: Rpc, handler: UnaryHandler) {
    return (call: ServerUnaryCall<never, object>, callback: sendUnaryData<object>): void => {
      void this.#answer(rpc, handler.route, call, (context) => handler.answer(call.request, context)).then(
        (response) => callback(null, response),
        (error: GrpcError) => callback(error),
      );
    };
  }

  async #answer<T>(rpc: Rpc, route: UnaryHandler['route'], call: AnyCall, run: (context: CallContext) => T | Promise<T>): Promise<T> {
    const { metrics, telemetry, onDefect } = this.options;
    const started = performance.now();
    const span = this.#startSpan(rpc, call);
    let ended: Grpc = Grpc.OK;
    this.#count(1);
    try {
      this.#refuseBeyondBound();
      await this.#admit(route, call);
      return await run(contextOf(call, span));
    } catch (error) {
      const told = grpcErrorOf(error, (defect) => onDefect(defect, rpc));
      ended = told.code;
      throw told;
    } finally {
      this.#count(-1);
      metrics.grpcSeconds.observe({ rpc, status: Grpc[ended] }, (performance.now() - started) / 1000);
      if (telemetry.enabled) endSpan(span, ended);
    }
  }

  async #stream(call: ServerDuplexStream<ModelInferRequest, object>): Promise<void> {
    const { access, gateway, onDefect } = this.options;
    const over = new AbortController();
    try {
      await this.#answer('ModelStreamInfer', INFER_ROUTE, call, async (context) => {
        const refused = callCredentialsEnd(access, admittedCall(INFER_ROUTE, call), over.signal);
        const gone = AbortSignal.any([context.signal, refused]);
        for await (const request of until(refused, call as AsyncIterable<ModelInferRequest>)) {
          let response: object;
          try {
            response = { infer_response: await inferByMessage(gateway, request, context), error_message: '' };
          } catch (error) {
            const { details } = grpcErrorOf(error, (defect) => onDefect(defect, 'ModelStreamInfer'));
            // Triton's clients look the request's id up in the empty answer.
            response = { infer_response: { id: request.id }, error_message: details };
          }
          if (!call.write(response)) await drained(call, gone);
        }
      });
      call.end();
    } catch (error) {
      if (!call.cancelled) call.emit('error', error);
    } finally {
      over.abort();
    }
  }

  #refuseBeyondBound(): void {
    if (this.#inFlight <= this.options.maxInFlight) return;
    const details = `${this.#inFlight} calls are being answered already; nothing was done, retry after a moment`;
    throw Object.assign(new Error(details), { statusCode: 503, retryAfter: 1 });
  }

  async #admit(route: UnaryHandler['route'], call: AnyCall): Promise<void> {
    await admitCall(this.options.access, admittedCall(route, call));
  }

  #count(by: 1 | -1): void {
    this.#inFlight += by;
    this.options.metrics.grpcInFlight.set(this.#inFlight);
  }

  #startSpan(rpc: Rpc, call: AnyCall): Span | undefined {
    const { telemetry } = this.options;
    if (!telemetry.enabled) return undefined;
    const attributes = { 'rpc.system': 'grpc', 'rpc.service': 'inference.GRPCInferenceService', 'rpc.method': rpc };
    const traceparent = validTraceparent(textOf(call.metadata, 'traceparent'));
    return telemetry.start(`inference.GRPCInferenceService/${rpc}`, { kind: SpanKind.SERVER, traceparent, attributes })?.span;
  }
}

function admittedCall(route: UnaryHandler['route'], { metadata }: AnyCall): AdmittedCall {
  return { ...route, authorization: textOf(metadata, 'authorization'), askHeader: textOf(metadata, ASK_HEADER) };
}

/** What `items` holds until `refused` aborts; then it fails with the refusal at once, though nothing may come for hours. */
async function* until<T>(refused: AbortSignal, items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const next = await unless(refused, iterator.next());
    if (next.done) return;
    yield next.value;
  }
}

/** Not `Promise.race`: a promise that all items were raced with would keep each of them for as long as the stream lasts. */
function unless<T>(refused: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const refuse = (): void => reject(refused.reason as Error);
    if (refused.aborted) refuse();
    refused.addEventListener('abort', refuse);
    void promise.then(resolve, reject).finally(() => refused.removeEventListener('abort', refuse));
  });
}

function contextOf(call: AnyCall, span: Span | undefined): CallContext {
  const caller = new AbortController();
  call.on('cancelled', () => caller.abort());
  if (call.cancelled) caller.abort();
  return {
    traceparent: span ? traceparentOfSpan(span) : validTraceparent(textOf(call.metadata, 'traceparent')),
    timeoutMs: Math.max(0, Number(call.getDeadline()) - Date.now()),
    signal: caller.signal,
  };
}

function endSpan(span: Span | undefined, ended: Grpc): void {
  span?.setAttribute('rpc.grpc.status_code', ended);
  if (ended === Grpc.INTERNAL || ended === Grpc.UNKNOWN) span?.setStatus({ code: SpanStatusCode.ERROR });
  span?.end();
}

/** A slow reader is waited for, so that its answers do not pile up here. */
function drained(call: ServerDuplexStream<ModelInferRequest, object>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

function textOf(metadata: Metadata, key: string): string | undefined {
  const [value] = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
}
