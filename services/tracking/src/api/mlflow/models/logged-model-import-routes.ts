import { invalid, MlflowError, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { ModelPoint } from '../../../domain/logged-model/model-metrics.js';
import type { LoggedModelStatus } from '../../../domain/logged-model/logged-model.events.js';
import { checkBatchLimit } from '../fields.js';
import { LIMITS } from '../limits.js';
import type { LoggedModelsApi } from './context.js';
import { LOGGED_MODEL_CODES } from './logged-model-errors.js';
import { LOGGED_MODEL_STATUSES } from './logged-model-wire.js';
import { modelPointOf } from './model-points.js';
import { modelIdOf } from './run-models.js';

const STATUS_OF: ReadonlyMap<string, LoggedModelStatus> = new Map(
  Object.entries(LOGGED_MODEL_STATUSES).map(([status, name]) => [name, status as LoggedModelStatus]),
);

/**
 * Logged models of another server and what runs measured of them. Not MLflow's: `millrace import mlflow` calls these, and an admin's key is
 * asked for where keys are.
 */
export function loggedModelImportRoutes(api: LoggedModelsApi): MlflowRoute[] {
  return [
    {
      method: 'POST',
      path: 'logged-models/import',
      handle: async ({ fields, request, reply }) => {
        const createdAt = fields.integer('creation_timestamp_ms') ?? 0;
        const imported = {
          modelId: modelIdOf(fields),
          experimentId: fields.requiredString('experiment_id'),
          name: fields.requiredString('name'),
          modelType: fields.string('model_type') || null,
          sourceRunId: fields.string('source_run_id') || null,
          status: STATUS_OF.get(fields.string('status') ?? '') ?? 'PENDING',
          createdAt,
          updatedAt: fields.integer('last_updated_timestamp_ms') ?? createdAt,
          params: pairsOf(fields, 'params'),
          tags: pairsOf(fields, 'tags'),
          origin: fields.requiredString('origin'),
        };
        const brought = await api.imports.model(imported, api.metadata(request));
        if (brought.kind === 'rejected') throw new MlflowError(LOGGED_MODEL_CODES[brought.rejection.code], brought.rejection.message);
        const { model, created, positions } = brought;
        api.sendPosition(reply, positions);
        return {
          ...{ model_id: model.modelId, created, artifact_uri: model.artifactUri, is_deleted: model.deleted },
          changed_here: [...(model.changedHere ?? [])],
        };
      },
    },
    {
      method: 'POST',
      path: 'logged-models/import-points',
      handle: async ({ fields, request, reply }) => {
        const modelId = modelIdOf(fields);
        const metrics = fields.messages('metrics');
        checkBatchLimit('metrics', LIMITS.metricsPerBatch, metrics.length);
        const byRun = new Map<string, ModelPoint[]>();
        for (const metric of metrics) {
          const [runId, point] = [runOf(metric), modelPointOf(metric)];
          const points = byRun.get(runId);
          if (points) points.push(point);
          else byRun.set(runId, [point]);
        }
        const { missing, positions } = await api.importPoints(modelId, byRun, {
          isCheckOnly: fields.boolean('check_only') ?? false,
          metadata: api.metadata(request),
        });
        api.sendPosition(reply, positions);
        return { missing };
      },
    },
  ];
}

function pairsOf(fields: Fields, name: string): { key: string; value: string }[] {
  return fields.messages(name).map((pair) => ({ key: pair.requiredString('key'), value: pair.string('value') ?? '' }));
}

function runOf(metric: Fields): string {
  const runId = metric.requiredString('run_id');
  if (!/^[0-9a-f]{32}$/.test(runId)) throw invalid(`Invalid run ID: '${runId}'. Run ids are 32 lower-case hex characters here.`);
  return runId;
}
