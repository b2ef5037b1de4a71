import type { Fields, MlflowRoute } from '@millrace/mlflow-protocol';
import type { RegistryApi } from './context.js';
import { valueOf } from './errors.js';
import { newNameOf, stageOf, tagsOf, versionOf } from './fields.js';

/**
 * Models and versions of another server, with their numbers, stages and times. Not MLflow's: `millrace import mlflow` calls these, and an
 * admin's key is asked for where keys are.
 */
export function importRoutes(api: RegistryApi): MlflowRoute[] {
  const { commands } = api;
  return [
    {
      method: 'POST',
      path: 'registered-models/import',
      handle: async ({ fields, request, reply }) => {
        const model = { name: newNameOf(fields), description: fields.string('description') ?? null, tags: tagsOf(fields) };
        const written = await commands.registerModel({ ...model, imported: originOf(fields) }, api.metadata(request));
        // Its versions go into the model of that name.
        if (written.kind === 'rejected' && written.rejection.code === 'MR_REGISTRY_MODEL_NAME_TAKEN') return { created: false };
        api.sendPosition(reply, valueOf(written).position);
        return { created: true };
      },
    },
    {
      method: 'POST',
      path: 'model-versions/import',
      handle: async ({ fields, request, reply }) => {
        const name = newNameOf(fields);
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
        const { value, position } = valueOf(await commands.importVersion(name, version, api.metadata(request)));
        api.sendPosition(reply, position);
        const created = value?.type === 'VersionRegistered' ? value.data : undefined;
        return { created: created !== undefined, ...(created ? { digest: created.digest, artifact_path: created.artifactPath } : {}) };
      },
    },
  ];
}

function originOf(fields: Fields): { origin: string; createdAt: number; updatedAt: number } {
  const createdAt = fields.requiredInteger('creation_timestamp');
  return { origin: fields.requiredString('origin'), createdAt, updatedAt: fields.integer('last_updated_timestamp') ?? createdAt };
}
