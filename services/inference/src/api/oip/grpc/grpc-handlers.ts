import type { Gateway } from '../../../gateway/gateway.js';
import type { ModelRepository } from '../../../queries/model-repository.js';
import { noStatistics, type ServingStatistics } from '../../../queries/serving-statistics.js';
import type { ServingStatus } from '../../../queries/serving-status.js';
import { refuseFiles } from '../extension.routes.js';
import { answerParameters } from '../infer-response.js';
import { modelConfig, modelMetadata, modelStatistics, repositoryIndex, serverMetadata } from '../wire.js';
import { inferMessage, parameterMessages, readInferMessage, type ModelInferRequest } from './infer-message.js';
import type { Rpc } from './inference-service.js';

export interface GrpcHandlersOptions {
  readonly gateway: Gateway;
  readonly status: ServingStatus;
  readonly statistics: ServingStatistics;
  readonly repository: ModelRepository;
  readonly serverVersion: string;
}

/** What a call brings beside its message. */
export interface CallContext {
  readonly traceparent: string | undefined;
  /** Milliseconds until the caller's deadline. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface UnaryHandler {
  /** The REST route it stands for: who may call that may call this. */
  readonly route: { readonly method: 'GET' | 'POST'; readonly path: string };
  readonly answer: (request: never, context: CallContext) => object | Promise<object>;
}

interface Named {
  readonly name: string;
  readonly version: string;
}

interface RepositoryRequest {
  readonly repository_name: string;
  readonly model_name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The gRPC half of the Open Inference Protocol: the same gateway and queries as the REST half, by message. */
export function grpcHandlers(options: GrpcHandlersOptions): Readonly<Record<Exclude<Rpc, 'ModelStreamInfer'>, UnaryHandler>> {
  const { status, statistics, repository, serverVersion } = options;
  const model = (path: string) => ({ method: 'GET', path: `/v2/models/:model${path}` }) as const;
  return {
    ServerLive: { route: { method: 'GET', path: '/v2/health/live' }, answer: () => ({ live: true }) },
    ServerReady: { route: { method: 'GET', path: '/v2/health/ready' }, answer: () => ({ ready: status.isReady() }) },
    ServerMetadata: { route: { method: 'GET', path: '/v2' }, answer: () => serverMetadata(serverVersion) },
    ModelReady: {
      route: model('/ready'),
      answer: async ({ name, version }: Named) => ({ ready: await status.isModelReady(name, given(version)) }),
    },
    ModelMetadata: {
      route: model(''),
      answer: async ({ name, version }: Named) => {
        const metadata = modelMetadata(name, await status.model(name, given(version)));
        return { ...metadata, parameters: parameterMessages(metadata.parameters ?? {}) };
      },
    },
    ModelConfig: {
      route: model('/config'),
      answer: async ({ name, version }: Named) => ({ config: modelConfig(name, await status.model(name, given(version))) }),
    },
    ModelStatistics: {
      route: model('/stats'),
      answer: async ({ name, version }: Named) => {
        const counted = statistics.of(given(name), given(version));
        if (counted.length > 0 || name === '') return modelStatistics(counted);
        const described = await status.model(name, given(version));
        return modelStatistics([noStatistics(name, described.version)]);
      },
    },
    ModelInfer: {
      route: INFER_ROUTE,
      answer: (request: ModelInferRequest, context: CallContext) => inferByMessage(options.gateway, request, context),
    },
    RepositoryIndex: {
      route: { method: 'POST', path: '/v2/repository/index' },
      answer: ({ ready }: { readonly ready: boolean }) => ({ models: repositoryIndex(repository.index(ready)) }),
    },
    RepositoryModelLoad: {
      route: { method: 'POST', path: '/v2/repository/models/:model/load' },
      answer: async (request: RepositoryRequest) => {
        refuseFiles(Object.keys(request.parameters));
        await repository.load(modelNamed(request));
        return forKServe(request, { is_loaded: true });
      },
    },
    RepositoryModelUnload: {
      route: { method: 'POST', path: '/v2/repository/models/:model/unload' },
      answer: (request: RepositoryRequest) => {
        repository.unload(modelNamed(request));
        return forKServe(request, { is_unloaded: true });
      },
    },
  };
}

export const INFER_ROUTE = { method: 'POST', path: '/v2/models/:model/infer' } as const;

/** Answers one request of a call or of a stream. */
export async function inferByMessage(gateway: Gateway, message: ModelInferRequest, context: CallContext): Promise<object> {
  const { model, version, id, parameters, inputs, outputs, isRaw } = readInferMessage(message);
  const { traceparent, timeoutMs, signal } = context;
  const answer = await gateway.infer({ name: model, version, id, parameters, inputs, outputs, traceparent, timeoutMs, signal });
  return inferMessage(
    {
      modelName: model,
      modelVersion: String(answer.model.version.version),
      id: id ?? answer.predictionId,
      parameters: answerParameters(answer.predictionId, answer.variants),
      outputs: answer.outputs,
    },
    isRaw,
  );
}

function given(text: string): string | undefined {
  return text === '' ? undefined : text;
}

/** Triton's clients put the model's name into field 2, KServe's into field 1. */
function modelNamed({ repository_name: first, model_name: second }: RepositoryRequest): string {
  return second === '' ? first : second;
}

/** KServe's client reads the name and whether it was done; to Triton's clients the answer is empty. */
function forKServe(request: RepositoryRequest, done: object): object {
  return request.model_name === '' ? { model_name: request.repository_name, ...done } : {};
}
