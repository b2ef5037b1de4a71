import { cursorOf, invalid, MlflowError, pageAfter, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { ModelsCommand } from '../../domain/models/models.decider.js';
import { latestByStage, versionView, type ModelView } from '../../queries/registry-view.js';
import type { RegistryApi } from './context.js';
import { modelNotFound, valueOf } from './errors.js';
import { aliasOf, LATEST, maxResultsOf, nameOf, newNameOf, stageOf, tagKeyOf, tagOf, tagsOf, versionOf } from './fields.js';
import { LIMITS } from './limits.js';
import { modelOrder, modelTest } from './search.js';
import { modelJson, versionJson } from './wire.js';

/** Registered models as such, and their aliases. */
export function modelRoutes(api: RegistryApi): MlflowRoute[] {
  const { view, commands } = api;
  const shown = (name: string): ModelView => {
    const model = view.model(name);
    if (!model) throw modelNotFound(name);
    return model;
  };
  const read = async (name: string): Promise<ModelView> => {
    await view.upToDate();
    return shown(name);
  };
  const latest = async ({ fields }: { fields: Fields }) => {
    const model = await read(nameOf(fields));
    const stages = new Set(fields.strings('stages').map(stageOf));
    const versions = latestByStage(model.model).filter((version) => stages.size === 0 || stages.has(version.stage));
    return { model_versions: versions.map((version) => versionJson(versionView(model, version))) };
  };
  const change = (
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    parse: (fields: Fields) => ModelsCommand,
    shows?: (fields: Fields) => string,
  ): MlflowRoute => ({
    method,
    path,
    handle: async ({ fields, request, reply }) => {
      const { position } = valueOf(await commands.models(parse(fields), api.metadata(request)));
      api.sendPosition(reply, position);
      return shows && { registered_model: modelJson(shown(shows(fields))) };
    },
  });
  return [
    {
      method: 'POST',
      path: 'registered-models/create',
      handle: async ({ fields, request, reply }) => {
        const name = newNameOf(fields);
        const model = { name, description: fields.string('description') ?? null, tags: tagsOf(fields) };
        api.sendPosition(reply, valueOf(await commands.registerModel(model, api.metadata(request))).position);
        return { registered_model: modelJson(shown(name)) };
      },
    },
    {
      method: 'GET',
      path: 'registered-models/get',
      handle: async ({ fields }) => ({ registered_model: modelJson(await read(nameOf(fields))) }),
    },
    change(
      'POST',
      'registered-models/rename',
      (fields) => ({ type: 'RenameModel', name: nameOf(fields), newName: newNameOf(fields, 'new_name') }),
      (fields) => nameOf(fields, 'new_name'),
    ),
    change(
      'PATCH',
      'registered-models/update',
      (fields) => ({ type: 'DescribeModel', name: nameOf(fields), description: fields.string('description') ?? '' }),
      (fields) => nameOf(fields),
    ),
    change('DELETE', 'registered-models/delete', (fields) => ({ type: 'DeleteModel', name: nameOf(fields) })),
    change('POST', 'registered-models/set-tag', (fields) => ({ type: 'TagModel', name: nameOf(fields), ...tagOf(fields) })),
    change('DELETE', 'registered-models/delete-tag', (fields) => ({ type: 'UntagModel', name: nameOf(fields), key: tagKeyOf(fields) })),
    {
      method: 'GET',
      path: 'registered-models/search',
      handle: async ({ fields }) => {
        const limit = maxResultsOf(fields, LIMITS.modelsByDefault, LIMITS.modelsPerPage);
        const cursor = cursorOf(fields.string('page_token'));
        const [matches, order] = [modelTest(fields.string('filter') ?? ''), modelOrder(fields.strings('order_by'))];
        await view.upToDate();
        const page = pageAfter([...view.models()].filter(matches).sort(order), cursor, limit, ({ registered }) => registered.modelId);
        return { registered_models: page.items.map(modelJson), ...(page.nextPageToken ? { next_page_token: page.nextPageToken } : {}) };
      },
    },
    { method: 'GET', path: 'registered-models/get-latest-versions', handle: latest },
    { method: 'POST', path: 'registered-models/get-latest-versions', handle: latest },
    {
      method: 'POST',
      path: 'registered-models/alias',
      handle: async ({ fields, request, reply }) => {
        const [name, alias, version] = [nameOf(fields), aliasOf(fields), versionOf(fields)];
        const written = await commands.version(name, { type: 'AssignAlias', alias, version }, api.metadata(request));
        api.sendPosition(reply, valueOf(written).position);
        return undefined;
      },
    },
    {
      method: 'DELETE',
      path: 'registered-models/alias',
      handle: async ({ fields, request, reply }) => {
        const [name, alias] = [nameOf(fields), aliasOf(fields)];
        const written = await commands.version(name, { type: 'RemoveAlias', alias }, api.metadata(request));
        api.sendPosition(reply, valueOf(written).position);
        return undefined;
      },
    },
    {
      method: 'GET',
      path: 'registered-models/alias',
      handle: async ({ fields }) => {
        const [name, alias] = [nameOf(fields), fields.requiredString('alias')];
        const model = await read(name);
        // Nobody can give this alias away: it is the newest version's.
        const isLatest = alias.toLowerCase() === LATEST;
        const number = isLatest ? Math.max(0, ...model.model.versions.keys()) : (model.model.aliases.get(alias) ?? 0);
        const version = model.model.versions.get(number);
        if (!version && isLatest) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `Latest version not found for model ${name}.`);
        if (!version) throw invalid(`Registered model alias ${alias} not found.`);
        return { model_version: versionJson(versionView(model, version)) };
      },
    },
  ];
}
