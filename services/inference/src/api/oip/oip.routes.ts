import type { AddHotRoute, HttpReply, HttpRequest } from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import { invalid, isRefusal } from '../../domain/refusal.js';
import type { Gateway } from '../../gateway/gateway.js';
import type { ModelRepository } from '../../queries/model-repository.js';
import type { ServingStatistics } from '../../queries/serving-statistics.js';
import type { ServingStatus } from '../../queries/serving-status.js';
import { departureOf } from '../departure.js';
import { codingFor, decodedBody, encodedBody } from './content-coding.js';
import { OIP_STATUS, RETRY_AFTER } from './errors.js';
import { extensionRoutes } from './extension.routes.js';
import { parseInferRequest, type InferRequest } from './infer-request.js';
import { answerParameters, encodeInferResponse } from './infer-response.js';
import { rawInput } from './raw-input.js';
import { modelMetadata, serverMetadata } from './wire.js';

export interface OipOptions {
  readonly gateway: Gateway;
  readonly status: ServingStatus;
  readonly statistics: ServingStatistics;
  readonly repository: ModelRepository;
  readonly serverVersion: string;
  readonly onError: ReturnType<typeof oipError>;
  /** Bytes of a decompressed body at most. */
  readonly maxBodyBytes: number;
}

export interface ModelParams {
  readonly model: string;
  readonly version?: string;
}

/** The REST half of the Open Inference Protocol (v2) with the extensions it announces. */
export function oipRoutes(scope: FastifyInstance, addHotRoute: AddHotRoute, options: OipOptions): void {
  const { status, serverVersion } = options;
  scope.get('/v2', () => serverMetadata(serverVersion));
  scope.get('/v2/health/live', () => ({ live: true }));
  scope.get('/v2/health/ready', (_request, reply) => {
    const ready = status.isReady();
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    scope.get<{ Params: ModelParams }>(path, async ({ params }) =>
      modelMetadata(params.model, await status.model(params.model, params.version)),
    );
    scope.get<{ Params: ModelParams }>(`${path}/ready`, async ({ params }, reply) => {
      const ready = await status.isModelReady(params.model, params.version);
      return reply.code(ready ? 200 : 503).send({ name: params.model, ready });
    });
    addHotRoute<ModelParams>({
      path: `${path}/infer`,
      handler: (request, reply) => infer(options, request, reply),
      onError: options.onError,
    });
  }
  extensionRoutes(scope, options);
  // Clients that look for what is not here read the protocol's error of anything below its path.
  scope.all('/v2/*', { config: { access: 'viewer' } }, ({ method, url }) => {
    const message = `there is no ${method} ${url.split('?')[0]} here; GET /v2 names the extensions that are`;
    throw Object.assign(new Error(message), { statusCode: 404 });
  });
}

async function infer(options: OipOptions, request: HttpRequest<ModelParams>, reply: HttpReply): Promise<HttpReply> {
  const { model, version } = request.params;
  const asked = readPlain(request) ?? (await readRequest(options, request));
  const answer = await options.gateway.infer({
    name: model,
    version,
    id: asked.id,
    parameters: asked.parameters,
    inputs: asked.inputs,
    outputs: asked.outputs?.map((output) => output.name),
    traceparent: request.traceparent,
    signal: departureOf(reply),
    // One id for both: what the request's trace and log lines are found by finds its record.
    predictionId: request.id,
  });
  const binary = new Set(asked.outputs?.filter((output) => output.binary).map((output) => output.name));
  const encoded = encodeInferResponse(
    {
      modelName: model,
      modelVersion: String(answer.model.version.version),
      id: asked.id ?? answer.predictionId,
      parameters: answerParameters(answer.predictionId, answer.variants),
      outputs: answer.outputs,
    },
    (name) => (asked.outputs ? binary.has(name) : asked.binaryByDefault),
  );
  if (encoded.jsonLength !== undefined) void reply.header('inference-header-content-length', String(encoded.jsonLength));
  void reply.header('content-type', encoded.contentType);
  const coding = codingFor(request.headers['accept-encoding'], encoded.body.length);
  if (coding === undefined) return reply.send(encoded.body);
  return reply.header('content-encoding', coding).send(await encodedBody(encoded.body, coding));
}

/** What most requests are, read without waiting: not compressed, and JSON as far as the header says. */
function readPlain({ body, headers }: HttpRequest): InferRequest | undefined {
  if (headers['content-encoding'] !== undefined || headers['inference-header-content-length'] !== undefined) return undefined;
  return Buffer.isBuffer(body) ? parseInferRequest(body, undefined) : undefined;
}

async function readRequest(options: OipOptions, request: HttpRequest<ModelParams>): Promise<InferRequest> {
  const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const body = await decodedBody(raw, request.headers['content-encoding'], options.maxBodyBytes);
  const length = lengthHeader(request);
  if (length !== 0) return parseInferRequest(body, length);
  const { model, version } = request.params;
  return rawInput(model, (await options.status.model(model, version)).inputs, body);
}

/** Every error leaves as `{"error": "..."}`. What nobody expected is told without its text; `onDefect` logs it. */
export function oipError(onDefect: (error: unknown, request: HttpRequest) => void) {
  return (error: unknown, request: HttpRequest, reply: HttpReply): void => {
    if (isRefusal(error)) {
      const retryAfter = RETRY_AFTER[error.code];
      if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
      void reply.code(OIP_STATUS[error.code]).send({ error: error.message });
      return;
    }
    // Fastify's own errors say `statusCode`, problems (who may come in) `status`.
    const { status, statusCode = status, message } = error as { status?: number; statusCode?: number; message?: string };
    if (statusCode !== undefined && statusCode < 500) {
      void reply.code(statusCode).send({ error: message });
      return;
    }
    onDefect(error, request);
    void reply.code(500).send({ error: 'something went wrong here; the log of this process has the details' });
  };
}

function lengthHeader(request: HttpRequest): number | undefined {
  const text = request.headers['inference-header-content-length'];
  if (typeof text !== 'string') return undefined;
  if (!/^\d+$/.test(text))
    throw invalid(`Inference-Header-Content-Length is ${JSON.stringify(text)}; it is the length of the JSON in bytes`);
  return Number(text);
}
