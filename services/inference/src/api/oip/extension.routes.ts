import type { FastifyInstance } from 'fastify';
import { invalid, Refusal } from '../../domain/refusal.js';
import { noStatistics } from '../../queries/serving-statistics.js';
import type { ModelParams, OipOptions } from './oip.routes.js';
import { modelConfig, modelStatistics, repositoryIndex } from './wire.js';

/** The extensions beside inference: configuration, statistics, model repository. */
export function extensionRoutes(scope: FastifyInstance, { status, statistics, repository }: OipOptions): void {
  scope.get('/v2/models/stats', () => modelStatistics(statistics.of()));
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    scope.get<{ Params: ModelParams }>(`${path}/config`, async ({ params }) =>
      modelConfig(params.model, await status.model(params.model, params.version)),
    );
    scope.get<{ Params: ModelParams }>(`${path}/stats`, async ({ params: { model, version } }) => {
      const counted = statistics.of(model, version);
      if (counted.length > 0) return modelStatistics(counted);
      const described = await status.model(model, version);
      return modelStatistics([noStatistics(model, described.version)]);
    });
  }
  scope.post('/v2/repository/index', ({ body }) => repositoryIndex(repository.index(readyOf(readObject(body)))));
  scope.post<{ Params: { model: string } }>('/v2/repository/models/:model/load', async ({ params, body }) => {
    refuseFiles(Object.keys(asObject('parameters', readObject(body)['parameters'] ?? {})));
    await repository.load(params.model);
    return {};
  });
  // `unload_dependents` is taken and means nothing: no model here depends on another.
  scope.post<{ Params: { model: string } }>('/v2/repository/models/:model/unload', ({ params, body }) => {
    readObject(body);
    repository.unload(params.model);
    return {};
  });
}

/** A model's files and configuration are the registry's: what a request sends along would be served unsigned and unrecorded. */
export function refuseFiles(parameters: readonly string[]): void {
  const [first] = parameters;
  if (first === undefined) return;
  const message = `parameter ${JSON.stringify(first)} of a load is not taken: register a version instead, and deploy or load that`;
  throw new Refusal('MR_INFERENCE_REPOSITORY', message);
}

function readObject(body: unknown): Readonly<Record<string, unknown>> {
  if (!Buffer.isBuffer(body) || body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw invalid(`the request is not a JSON object: ${error instanceof Error ? error.message : String(error)}`);
  }
  return asObject('the request', value);
}

function readyOf({ ready = false }: Readonly<Record<string, unknown>>): boolean {
  if (typeof ready === 'boolean') return ready;
  throw invalid(`ready is ${JSON.stringify(ready)}; it must be true or false`);
}

function asObject(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
  throw invalid(`${what} must be a JSON object`);
}
