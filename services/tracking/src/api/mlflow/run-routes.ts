import { checkLength, invalid, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { Position } from '@millrace/kernel';
import type { RunCommand } from '../../domain/run/run.decider.js';
import type { DatasetInput } from '../../domain/run/run.events.js';
import type { TrackingApi } from './context.js';
import { runNotFound, valueOf } from './errors.js';
import { checkBatchLimit, longValuesFor, maxResultsOf, runIdOf, statusOf, tagOf, viewTypeOf } from './fields.js';
import { LIMITS } from './limits.js';
import { modelInputsOf, modelOutputsOf } from './models/run-models.js';
import { keyCursorOf, keyPage } from './key-page-token.js';
import { isRunCursor } from '../../queries/search-runs.query.js';
import { criteriaOf, ordersOf } from './run-search.js';
import { runInfoJson, runJson } from './wire.js';

/** Runs as such: made, shown, searched, finished, deleted. What is logged into them is in {@link loggingRoutes}. */
export function runRoutes(api: TrackingApi): MlflowRoute[] {
  const { view, commands } = api;
  return [
    {
      method: 'POST',
      path: 'runs/create',
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const tags = fields.messages('tags').map((tag) => tagOf(tag, longValuesFor(request)));
        const userId = fields.string('user_id') ?? tags.find(({ key }) => key === 'mlflow.user')?.value ?? '';
        const experimentId = fields.string('experiment_id') || undefined;
        const [name, startTime] = [fields.string('run_name'), fields.integer('start_time') ?? metadata.now];
        const { value, positions } = valueOf(await commands.createRun({ experimentId, name, userId, startTime, tags }, metadata));
        api.sendPosition(reply, positions);
        const run = view.run(value.runId);
        if (!run) throw runNotFound(value.runId);
        return { run: runJson({ run, isActive: view.isActive(run), metrics: [] }) };
      },
    },
    {
      method: 'GET',
      path: 'runs/get',
      handle: async ({ fields }) => {
        const runId = runIdOf(fields);
        await view.upToDateWithMetrics();
        const shown = view.show(runId);
        if (!shown) throw runNotFound(runId);
        return { run: runJson(shown) };
      },
    },
    {
      method: 'POST',
      path: 'runs/update',
      handle: async ({ fields, request, reply }) => {
        const runId = runIdOf(fields);
        const command = {
          type: 'UpdateRun',
          status: statusOf(fields),
          endTime: fields.integer('end_time') ?? null,
          name: fields.string('run_name') ?? null,
        } as const;
        const { positions } = valueOf(await commands.run(runId, command, api.metadata(request)));
        api.sendPosition(reply, positions);
        const run = view.run(runId);
        if (!run) throw runNotFound(runId);
        return { run_info: runInfoJson({ run, isActive: view.isActive(run) }) };
      },
    },
    runCommand(api, 'runs/delete', () => ({ type: 'DeleteRun' })),
    runCommand(api, 'runs/restore', () => ({ type: 'RestoreRun' })),
    runCommand(api, 'runs/delete-tag', (fields) => ({ type: 'UntagRun', key: fields.requiredString('key') })),
    {
      method: 'POST',
      path: 'runs/log-inputs',
      handle: async ({ fields, request, reply }) => {
        if (!fields.has('datasets') && !fields.has('models')) throw fields.missing('datasets');
        const [runId, datasets] = [runIdOf(fields), fields.messages('datasets')];
        checkBatchLimit('datasets', LIMITS.datasetsPerRequest, datasets.length);
        const metadata = api.metadata(request);
        const inputs = datasets.map(datasetInputOf);
        const models = modelInputsOf(fields);
        const positions: Position[] = [];
        // Two decisions, each of which changes nothing when it is repeated, so a client that was told of a fault sends both again.
        if (inputs.length > 0 || models.length === 0) {
          positions.push(...valueOf(await commands.run(runId, { type: 'LogDatasets', inputs }, metadata)).positions);
        }
        if (models.length > 0) {
          const link = { type: 'LinkModels', inputs: models, outputs: [] } as const;
          const linking = { ...metadata, commandId: `${metadata.commandId}.models` };
          positions.push(...valueOf(await commands.run(runId, link, linking)).positions);
        }
        api.sendPosition(reply, positions);
        return undefined;
      },
    },
    runCommand(api, 'runs/outputs', (fields) => {
      if (!fields.has('models')) throw fields.missing('models');
      return { type: 'LinkModels', inputs: [], outputs: modelOutputsOf(fields) };
    }),
    runCommand(api, 'runs/log-model', (fields) => {
      const text = fields.requiredString('model_json');
      const model = parseModel(text);
      return { type: 'RecordModel', model };
    }),
    { method: 'POST', path: 'runs/search', handle: ({ fields }) => search(api, fields) },
  ];
}

/** An endpoint that gives one command about one run and answers nothing. */
export function runCommand(api: TrackingApi, path: string, parse: (fields: Fields) => RunCommand): MlflowRoute {
  return {
    method: 'POST',
    path,
    handle: async ({ fields, request, reply }) => {
      const { positions } = valueOf(await api.commands.run(runIdOf(fields), parse(fields), api.metadata(request)));
      api.sendPosition(reply, positions);
      return undefined;
    },
  };
}

async function search(api: TrackingApi, fields: Fields): Promise<object> {
  const { view } = api;
  const viewType = viewTypeOf(fields, 'run_view_type');
  const limit = maxResultsOf(fields, LIMITS.runsByDefault, LIMITS.runsPerPage);
  const criteria = criteriaOf(fields.string('filter') ?? '');
  const orders = ordersOf(fields.strings('order_by'));
  const after = keyCursorOf(fields.string('page_token'), (cursor) => isRunCursor(orders, cursor));
  await view.upToDateWithMetrics();
  const wanted = fields
    .strings('experiment_ids')
    .map((id) => view.experiment(id))
    .filter((found) => found !== undefined);
  const ids = (deleted: boolean) => wanted.filter((experiment) => experiment.deleted === deleted).map(({ id }) => id);
  // Every run of a deleted experiment is deleted, whatever its own state.
  const scope = {
    ALL: { allIn: [...ids(false), ...ids(true)], activeIn: [], deletedIn: [] },
    ACTIVE_ONLY: { allIn: [], activeIn: ids(false), deletedIn: [] },
    DELETED_ONLY: { allIn: ids(true), activeIn: [], deletedIn: ids(false) },
  }[viewType];
  if (scope.allIn.length + scope.activeIn.length + scope.deletedIn.length === 0) return {};
  const found = await api.searchRuns({ ...scope, criteria, orders, limit, after });
  const { page, next } = keyPage(found, limit, ({ cursor }) => cursor);
  const runs = page.map(({ id }) => view.show(id)).filter((shown) => shown !== undefined);
  return { runs: runs.map(runJson), ...next };
}

export function datasetInputOf(fields: Fields): DatasetInput {
  const dataset = fields.message('dataset');
  if (!dataset) throw invalid('Dataset input must have a dataset associated with it.');
  const bounded = (name: string, limit: number): string => {
    const value = dataset.requiredString(name);
    checkLength(`Dataset ${name}`, limit, value);
    return value;
  };
  const optional = (name: string, limit: number): string | null => {
    const value = dataset.string(name) ?? null;
    if (value !== null) checkLength(`Dataset ${name}`, limit, value);
    return value;
  };
  const tags = fields.messages('tags').map((tag): [string, string] => {
    const [key, value] = [tag.requiredString('key'), tag.string('value') ?? ''];
    checkLength('InputTag key', LIMITS.datasetTagKeyLength, key);
    checkLength('InputTag value', LIMITS.datasetTagValueLength, value);
    return [key, value];
  });
  return {
    name: bounded('name', LIMITS.datasetNameLength),
    digest: bounded('digest', LIMITS.datasetDigestLength),
    sourceType: dataset.requiredString('source_type'),
    source: bounded('source', LIMITS.datasetTextLength),
    schema: optional('schema', LIMITS.datasetTextLength),
    profile: optional('profile', LIMITS.datasetProfileLength),
    tags: Object.fromEntries(tags),
  };
}

/** The description of a logged model: a JSON object that names where the model is and what it can do. */
function parseModel(text: string): object {
  let model: unknown;
  try {
    model = JSON.parse(text);
  } catch {
    throw invalid(`Malformed model info. \n ${text.slice(0, 250)} \n is not valid JSON.`);
  }
  const missing = ['artifact_path', 'flavors', 'utc_time_created', 'run_id'].filter(
    (name) => !Object.hasOwn(Object(model) as object, name),
  );
  if (typeof model !== 'object' || model === null || missing.length > 0) {
    throw invalid(`Model json is missing mandatory fields: ${missing.join(', ')}`);
  }
  return model;
}
