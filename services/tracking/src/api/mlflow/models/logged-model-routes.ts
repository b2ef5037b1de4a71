import { joinArtifactPath } from '@millrace/artifact-store';
import {
  checkLength,
  invalid,
  MlflowError,
  cursorOf,
  pageAfter,
  proxiedArtifactPath,
  safeArtifactPath,
  type Fields,
  type MlflowRoute,
} from '@millrace/mlflow-protocol';
import type { FastifyRequest } from 'fastify';
import type { LoggedModelWritten } from '../../../commands/logged-model-commands.js';
import type { LoggedModel, LoggedModelCommand } from '../../../domain/logged-model/logged-model.decider.js';
import type { LoggedModelOutcome } from '../../../domain/logged-model/logged-model.events.js';
import { fileJson } from '../artifact-routes.js';
import { checkBatchLimit, maxResultsOf, paramOf, tagOf } from '../fields.js';
import type { LoggedModelsApi } from './context.js';
import { LOGGED_MODEL_CODES } from './logged-model-errors.js';
import { loggedModelSearchOf } from './logged-model-search.js';
import { loggedModelJson } from './logged-model-wire.js';

const LIMITS = { nameLength: 500, modelTypeLength: 500, pairsPerRequest: 1000, modelsPerPage: 1000, modelsByDefault: 100 } as const;

/** By the numbers of MLflow's protocol buffers and by their names. */
const OUTCOMES: Readonly<Record<string, LoggedModelOutcome>> = {
  2: 'READY',
  3: 'FAILED',
  LOGGED_MODEL_READY: 'READY',
  LOGGED_MODEL_UPLOAD_FAILED: 'FAILED',
};

/** Logged models, as clients from MLflow 3.0 on keep every model they log. */
export function loggedModelRoutes(api: LoggedModelsApi): MlflowRoute[] {
  const { view, commands } = api;
  const shown = async (model: LoggedModel) => {
    const [metrics, versions] = await Promise.all([api.metricsOf([model]), api.versionsOf([model])]);
    return loggedModelJson(model, metrics.get(model.modelId), versions.get(model.modelId));
  };
  /** An endpoint that gives one command about one model. */
  const change = (
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    parse: (fields: Fields, request: FastifyRequest) => LoggedModelCommand,
    isShown = false,
  ): MlflowRoute => ({
    method,
    path,
    handle: async ({ fields, request, reply }) => {
      const modelId = modelIdOf(request);
      api.sendPosition(reply, writtenOf(await commands.change(modelId, parse(fields, request), api.metadata(request))).positions);
      return isShown ? { model: await shown(await existingLoggedModel(api, request)) } : undefined;
    },
  });
  return [
    {
      method: 'POST',
      path: 'logged-models',
      handle: async ({ fields, request, reply }) => {
        const [params, tags] = [fields.messages('params'), fields.messages('tags')];
        checkBatchLimit('params', LIMITS.pairsPerRequest, params.length);
        checkBatchLimit('tags', LIMITS.pairsPerRequest, tags.length);
        const modelType = fields.string('model_type') || null;
        if (modelType !== null) checkLength('Model type', LIMITS.modelTypeLength, modelType);
        const wanted = {
          experimentId: fields.requiredString('experiment_id'),
          name: nameOf(fields),
          modelType,
          sourceRunId: fields.string('source_run_id') || null,
          params: params.map((param) => paramOf(param, 'cut')),
          tags: tags.map((tag) => tagOf(tag, 'cut')),
        };
        const { modelId, positions } = writtenOf(await commands.create(wanted, api.metadata(request)));
        api.sendPosition(reply, positions);
        const model = view.model(modelId);
        if (!model) throw notFound(modelId);
        return { model: loggedModelJson(model) };
      },
    },
    {
      method: 'POST',
      path: 'logged-models/search',
      handle: async ({ fields }) => {
        const limit = maxResultsOf(fields, LIMITS.modelsByDefault, LIMITS.modelsPerPage);
        const cursor = cursorOf(fields.string('page_token'));
        const page = pageAfter(await api.search(loggedModelSearchOf(fields)), cursor, limit, ({ modelId }) => modelId);
        const [metrics, versions] = await Promise.all([api.metricsOf(page.items), api.versionsOf(page.items)]);
        return {
          models: page.items.map((model) => loggedModelJson(model, metrics.get(model.modelId), versions.get(model.modelId))),
          ...(page.nextPageToken ? { next_page_token: page.nextPageToken } : {}),
        };
      },
    },
    {
      method: 'GET',
      path: 'logged-models/:modelId',
      handle: async ({ fields, request }) => ({
        model: await shown(await existingLoggedModel(api, request, fields.boolean('allow_deleted'))),
      }),
    },
    change('PATCH', 'logged-models/:modelId', (fields) => ({ type: 'FinalizeLoggedModel', status: outcomeOf(fields) }), true),
    change('DELETE', 'logged-models/:modelId', () => ({ type: 'DeleteLoggedModel' })),
    change('PATCH', 'logged-models/:modelId/tags', (fields) => ({
      type: 'TagLoggedModel',
      tags: fields.messages('tags').map((tag) => tagOf(tag, 'cut')),
    })),
    change('DELETE', 'logged-models/:modelId/tags/:key', (_fields, request) => ({
      type: 'UntagLoggedModel',
      key: (request.params as { key: string }).key,
    })),
    change('POST', 'logged-models/:modelId/params', (fields) => ({
      type: 'LogLoggedModelParams',
      params: fields.messages('params').map((param) => paramOf(param, 'cut')),
    })),
    {
      method: 'GET',
      path: 'logged-models/:modelId/artifacts/directories',
      handle: async ({ fields, request }) => {
        const model = await existingLoggedModel(api, request);
        const root = proxiedArtifactPath(model.artifactUri);
        if (root === undefined) {
          throw invalid(
            `The files of logged model ${model.modelId} are at ${model.artifactUri}, outside this server's artifact store; read them there.`,
          );
        }
        const below = safeArtifactPath(fields.string('artifact_directory_path') ?? '');
        const children = await api.artifacts.list(joinArtifactPath(root, below));
        return { root_uri: model.artifactUri, files: children.map((child) => fileJson(child, child.path.slice(root.length + 1))) };
      },
    },
  ];
}

/** The model a path names. */
export async function existingLoggedModel(
  { view }: Pick<LoggedModelsApi, 'view'>,
  request: FastifyRequest,
  includeDeleted = false,
): Promise<LoggedModel> {
  const modelId = modelIdOf(request);
  await view.upToDate();
  const model = includeDeleted ? view.anyModel(modelId) : view.model(modelId);
  if (!model) throw notFound(modelId);
  return model;
}

function modelIdOf(request: FastifyRequest): string {
  const { modelId } = request.params as { modelId: string };
  // What no id can be is no model; it must not become a subject.
  if (!/^m-[0-9a-f]{32}$/.test(modelId)) throw notFound(modelId);
  return modelId;
}

function nameOf(fields: Fields): string | undefined {
  const name = fields.string('name');
  if (!name) return undefined;
  checkLength('Model name', LIMITS.nameLength, name);
  if (/[/:.%"']/.test(name)) {
    throw invalid(
      `Invalid model name ('${name}') provided: it cannot hold any of / : . % " ' because it becomes part of a models:/ address.`,
    );
  }
  return name;
}

function outcomeOf(fields: Fields): LoggedModelOutcome {
  const value = fields.values['status'];
  const outcome = typeof value === 'string' || typeof value === 'number' ? OUTCOMES[value] : undefined;
  if (!outcome) {
    const names = Object.keys(OUTCOMES).filter((name) => name.startsWith('LOGGED'));
    throw invalid(`Invalid value ${JSON.stringify(value)} for parameter 'status' supplied. Valid values are ${names.join(', ')}.`);
  }
  return outcome;
}

function writtenOf(written: LoggedModelWritten): Extract<LoggedModelWritten, { kind: 'written' }> {
  if (written.kind === 'rejected') throw new MlflowError(LOGGED_MODEL_CODES[written.rejection.code], written.rejection.message);
  return written;
}

function notFound(modelId: string): MlflowError {
  return new MlflowError('RESOURCE_DOES_NOT_EXIST', `Logged model with ID '${modelId}' not found.`);
}
