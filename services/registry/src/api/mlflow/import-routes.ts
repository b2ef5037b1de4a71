import { MlflowError, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { FastifyReply } from 'fastify';
import type { Brought, Followed, Refused } from '../../commands/registry-imports.js';
import type { RegistryApi } from './context.js';
import { valueOf } from './errors.js';
import { aliasOf, importedNameOf, stageOf, tagsOf, versionOf } from './fields.js';

/**
 * Models and versions of another server, with their numbers, stages and times. Not MLflow's: `millrace import mlflow` calls these, and an
 * admin's key is asked for where keys are.
 */
export function importRoutes(api: RegistryApi): MlflowRoute[] {
  const { imports } = api;
  return [
    {
      method: 'POST',
      path: 'registered-models/import',
      handle: async ({ fields, request, reply }) => {
        const described = { description: fields.string('description') || null, tags: tagsOf(fields) };
        const model = { name: importedNameOf(fields), ...described, imported: originOf(fields) };
        const { created, ...rest } = sent(api, reply, await imports.model(model, api.metadata(request)));
        return { created: created ?? false, ...broughtJson(rest) };
      },
    },
    {
      method: 'POST',
      path: 'model-versions/import',
      handle: async ({ fields, request, reply }) => {
        const name = importedNameOf(fields);
        const imported = {
          ...originOf(fields),
          stage: stageOf(fields.string('current_stage') || 'None'),
          userId: fields.string('user_id') ?? '',
        };
        const version = {
          version: versionOf(fields),
          source: fields.requiredString('source'),
          runId: fields.string('run_id') || null,
          runLink: fields.string('run_link') || null,
          description: fields.string('description') || null,
          tags: tagsOf(fields),
          imported,
        };
        const { created, ...rest } = sent(api, reply, await imports.version(name, version, api.metadata(request)));
        const artifact = created ? { digest: created.digest, artifact_path: created.artifactPath } : {};
        return { created: created !== undefined, ...artifact, ...broughtJson(rest) };
      },
    },
    {
      method: 'GET',
      path: 'registered-models/imported',
      handle: async ({ fields }) => ({ names: await imports.models(fields.requiredString('origin')) }),
    },
    {
      method: 'POST',
      path: 'registered-models/import-rest',
      handle: async ({ fields, request, reply }) => {
        const [name, origin] = [importedNameOf(fields), fields.requiredString('origin')];
        const aliases = new Map<string, number>();
        const refused: Refused[] = [];
        for (const one of fields.messages('aliases')) {
          try {
            aliases.set(aliasOf(one), versionOf(one));
          } catch (error) {
            if (!(error instanceof MlflowError)) throw error;
            refused.push({ what: `alias:${one.string('alias') ?? ''}`, message: error.message });
          }
        }
        const versions = new Set(fields.strings('versions').map(Number));
        const rest = sent(api, reply, await imports.rest(name, origin, aliases, versions, api.metadata(request)));
        return { ...rest, refused: [...refused, ...rest.refused] };
      },
    },
  ];
}

function sent<T>(api: RegistryApi, reply: FastifyReply, followed: Followed<T>): T {
  const { value, position } = valueOf(followed);
  if (position) api.sendPosition(reply, position);
  return value;
}

function broughtJson({ changedHere, refused }: Omit<Brought<unknown>, 'created'>): object {
  return { changed_here: changedHere, refused };
}

function originOf(fields: Fields): { origin: string; createdAt: number; updatedAt: number } {
  const createdAt = fields.requiredInteger('creation_timestamp');
  return { origin: fields.requiredString('origin'), createdAt, updatedAt: fields.integer('last_updated_timestamp') ?? createdAt };
}
