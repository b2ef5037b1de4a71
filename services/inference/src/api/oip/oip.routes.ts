import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { invalid, isRefusal } from '../../domain/refusal.js';
import type { TensorSpec } from '../../domain/tensor/tensor.js';
import type { Gateway } from '../../gateway/gateway.js';
import type { ServingStatus } from '../../queries/serving-status.js';
import { OIP_STATUS, RETRY_AFTER } from './errors.js';
import { parseInferRequest } from './infer-request.js';
import { encodeInferResponse } from './infer-response.js';

export interface OipOptions {
  readonly gateway: Gateway;
  readonly status: ServingStatus;
  readonly serverVersion: string;
  /** Bytes of a decompressed body at most. */
  readonly maxBodyBytes: number;
}

interface ModelParams {
  readonly model: string;
  readonly version?: string;
}

/** The REST half of the Open Inference Protocol (v2) with the binary tensor data extension. */
export function oipRoutes(scope: FastifyInstance, options: OipOptions): void {
  const { status, serverVersion } = options;
  scope.get('/v2', () => ({ name: 'millrace', version: serverVersion, extensions: ['binary_tensor_data'] }));
  scope.get('/v2/health/live', () => ({ live: true }));
  scope.get('/v2/health/ready', (_request, reply) => {
    const ready = status.missing() === undefined;
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    scope.get<{ Params: ModelParams }>(path, async ({ params }) => {
      const model = await status.model(params.model, params.version);
      return {
        name: params.model,
        versions: model.versions,
        platform: 'onnxruntime_onnx',
        inputs: model.inputs.map(toWire),
        outputs: model.outputs.map(toWire),
      };
    });
    scope.get<{ Params: ModelParams }>(`${path}/ready`, async ({ params }, reply) => {
      const ready = await status.isModelReady(params.model, params.version);
      return reply.code(ready ? 200 : 503).send({ name: params.model, ready });
    });
    scope.post<{ Params: ModelParams }>(`${path}/infer`, (request, reply) => infer(options, request, reply));
  }
}

async function infer(options: OipOptions, request: FastifyRequest<{ Params: ModelParams }>, reply: FastifyReply): Promise<FastifyReply> {
  const { model, version } = request.params;
  const asked = parseInferRequest(await bodyOf(request, options.maxBodyBytes), lengthHeader(request));
  const answer = await options.gateway.infer({
    name: model,
    version,
    id: asked.id,
    parameters: asked.parameters,
    inputs: asked.inputs,
    outputs: asked.outputs?.map((output) => output.name),
    traceparent: request.traceparent,
    signal: departureOf(reply),
  });
  const binary = new Set(asked.outputs?.filter((output) => output.binary).map((output) => output.name));
  const encoded = encodeInferResponse(
    {
      modelName: model,
      modelVersion: String(answer.model.version.version),
      id: asked.id ?? answer.predictionId,
      parameters: { prediction_id: answer.predictionId, ...(answer.variants.length > 0 ? { variant: answer.variants.join(',') } : {}) },
      outputs: answer.outputs,
    },
    (name) => (asked.outputs ? binary.has(name) : asked.binaryByDefault),
  );
  if (encoded.jsonLength !== undefined) void reply.header('inference-header-content-length', String(encoded.jsonLength));
  return reply.header('content-type', encoded.contentType).send(encoded.body);
}

/** Aborted when the connection goes away before the reply is sent. */
function departureOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** Every error leaves as `{"error": "..."}`. What nobody expected is told without its text; `onDefect` logs it. */
export function oipError(onDefect: (error: unknown, request: FastifyRequest) => void) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
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

const decompress = { gzip: promisify(gunzip), deflate: promisify(inflate) };

async function bodyOf(request: FastifyRequest, maxBytes: number): Promise<Buffer> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding !== 'gzip' && encoding !== 'deflate')
    throw invalid(`Content-Encoding ${JSON.stringify(encoding)} is not understood; send gzip, deflate or none`);
  try {
    return await decompress[encoding](body, { maxOutputLength: maxBytes });
  } catch (error) {
    throw invalid(`the body cannot be decompressed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function lengthHeader(request: FastifyRequest): number | undefined {
  const text = request.headers['inference-header-content-length'];
  return typeof text === 'string' ? Number(text) : undefined;
}

function toWire({ name, datatype, shape }: TensorSpec): { name: string; datatype: string; shape: readonly number[] } {
  return { name, datatype, shape: shape ?? [-1] };
}
