import { cursorOf, invalid, pageAfter, type Fields, type MlflowCall, type MlflowRoute } from '@millrace/mlflow-protocol';
import { isLoggedModelId } from '../../commands/run-artifacts.js';
import type { ModelCommand } from '../../domain/model/model.decider.js';
import type { VersionView } from '../../queries/registry-view.js';
import type { RegistryApi } from './context.js';
import { valueOf, versionNotFound } from './errors.js';
import { maxResultsOf, nameOf, stageOf, tagKeyOf, tagOf, tagsOf, versionOf } from './fields.js';
import { downloadUriOf } from './download-uri.js';
import { LIMITS } from './limits.js';
import { isPrompt, promptSourceOf } from './prompts.js';
import { versionOrder, versionTest } from './search.js';
import { versionSourceOf } from './version-source.js';
import { versionJson } from './wire.js';

/** Versions of registered models. */
export function versionRoutes(api: RegistryApi): MlflowRoute[] {
  const { view, commands } = api;
  const shown = (name: string, version: number): VersionView => {
    const found = view.version(name, version);
    if (!found) throw versionNotFound(name, version);
    return found;
  };
  const read = async ({ fields, request }: MlflowCall): Promise<VersionView> => {
    const [name, version] = [nameOf(fields), versionOf(fields, request.headers['user-agent'])];
    await view.upToDate();
    return shown(name, version);
  };
  const change = (
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    parse: (fields: Fields, version: number) => ModelCommand,
    isShown = false,
  ): MlflowRoute => ({
    method,
    path,
    handle: async ({ fields, request, reply }) => {
      const [name, version] = [nameOf(fields), versionOf(fields, request.headers['user-agent'])];
      const written = await commands.version(name, parse(fields, version), api.metadata(request));
      // The decider knows the model by its id only; the client is told the name it used.
      if (written.kind === 'rejected' && written.rejection.code === 'MR_REGISTRY_VERSION_NOT_FOUND') throw versionNotFound(name, version);
      api.sendPosition(reply, valueOf(written).position);
      return isShown ? { model_version: versionJson(shown(name, version)) } : undefined;
    },
  });
  return [
    {
      method: 'POST',
      path: 'model-versions/create',
      handle: async ({ fields, request, reply }) => {
        const name = nameOf(fields);
        const tags = tagsOf(fields);
        const modelId = modelIdOf(fields);
        const runId = fields.string('run_id') || null;
        const source = isPrompt(new Map(Object.entries(tags)))
          ? promptSourceOf(fields)
          : await versionSourceOf(fields, runId, api.runArtifactUri);
        const runLink = fields.string('run_link') || null;
        const version = { source, runId, modelId, runLink, description: fields.string('description') ?? null, tags };
        const { value, position } = valueOf(await commands.registerVersion(name, version, api.metadata(request)));
        api.sendPosition(reply, position);
        return { model_version: versionJson(shown(name, value.version)) };
      },
    },
    { method: 'GET', path: 'model-versions/get', handle: async (call) => ({ model_version: versionJson(await read(call)) }) },
    {
      method: 'GET',
      path: 'model-versions/get-download-uri',
      handle: async (call) => ({ artifact_uri: downloadUriOf(view, await read(call)) }),
    },
    {
      method: 'GET',
      path: 'model-versions/search',
      handle: async ({ fields }) => {
        const limit = maxResultsOf(fields, LIMITS.versionsByDefault, LIMITS.versionsPerPage);
        const cursor = cursorOf(fields.string('page_token'));
        const [matches, order] = [versionTest(fields.string('filter') ?? ''), versionOrder(fields.strings('order_by'))];
        await view.upToDate();
        const page = pageAfter([...view.versions()].filter(matches).sort(order), cursor, limit, idOfVersion);
        return { model_versions: page.items.map(versionJson), ...(page.nextPageToken ? { next_page_token: page.nextPageToken } : {}) };
      },
    },
    change(
      'PATCH',
      'model-versions/update',
      (fields, version) => ({ type: 'DescribeVersion', version, description: fields.string('description') ?? '' }),
      true,
    ),
    change(
      'POST',
      'model-versions/transition-stage',
      (fields, version) => {
        const to = stageOf(fields.requiredString('stage'));
        return { type: 'MoveVersion', version, to, archiveOthers: fields.boolean('archive_existing_versions') };
      },
      true,
    ),
    change('DELETE', 'model-versions/delete', (_fields, version) => ({ type: 'DeleteVersion', version })),
    change('POST', 'model-versions/set-tag', (fields, version) => ({ type: 'TagVersion', version, ...tagOf(fields) })),
    change('DELETE', 'model-versions/delete-tag', (fields, version) => ({ type: 'UntagVersion', version, key: tagKeyOf(fields) })),
  ];
}

function idOfVersion({ registered, version }: VersionView): string {
  return `${registered.modelId}/${version.version}`;
}

function modelIdOf(fields: Fields): string | null {
  const modelId = fields.string('model_id') || null;
  if (modelId !== null && !isLoggedModelId(modelId)) {
    throw invalid(
      `Invalid value '${modelId.slice(0, 100)}' for parameter 'model_id' supplied: the id of a logged model is m- and 32 hex digits.`,
    );
  }
  return modelId;
}
