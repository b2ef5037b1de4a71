import { invalid, type MlflowRoute } from '@millrace/mlflow-protocol';
import { ARTIFACT_ROOT, type TrackingApi } from './context.js';
import { valueOf } from './errors.js';
import { checkBatchLimit, metricOf, runIdOf, statusOf } from './fields.js';
import { LIMITS } from './limits.js';
import { modelInputsOf, modelOutputsOf } from './models/run-models.js';
import { datasetInputOf } from './run-routes.js';

/**
 * Experiments, runs and points of another server, under their own ids and times. Not MLflow's: `millrace import mlflow` calls these, and an
 * admin's key is asked for where keys are.
 */
export function importRoutes(api: TrackingApi): MlflowRoute[] {
  const { imports } = api;
  return [
    {
      method: 'POST',
      path: 'experiments/import',
      handle: async ({ fields, request, reply }) => {
        const createdAt = fields.integer('creation_time') ?? 0;
        const imported = {
          origin: fields.requiredString('origin'),
          createdAt,
          updatedAt: fields.integer('last_update_time') ?? createdAt,
          experimentId: fields.requiredString('experiment_id'),
        };
        const tags = Object.fromEntries(fields.messages('tags').map((tag) => [tag.requiredString('key'), tag.string('value') ?? '']));
        const name = fields.requiredString('name');
        const command = { type: 'CreateExperiment', name, artifactLocation: null, artifactRoot: ARTIFACT_ROOT, tags, imported } as const;
        const isDeleted = fields.string('lifecycle_stage') === 'deleted';
        const { value, positions } = valueOf(await imports.experiment(command, isDeleted, api.metadata(request)));
        api.sendPosition(reply, positions);
        const { experimentId, created, changedHere, refused } = value;
        return { experiment_id: experimentId, created, changed_here: changedHere, refused };
      },
    },
    {
      method: 'POST',
      path: 'experiments/import-deletion',
      handle: async ({ fields, request, reply }) => {
        const [experimentId, origin] = [fields.requiredString('experiment_id'), fields.requiredString('origin')];
        api.sendPosition(reply, valueOf(await imports.deleteExperiment(experimentId, origin, api.metadata(request))).positions);
        return undefined;
      },
    },
    {
      method: 'POST',
      path: 'runs/import',
      handle: async ({ fields, request, reply }) => {
        const runId = runIdOf(fields);
        if (!/^[0-9a-f]{32}$/.test(runId)) throw invalid(`Invalid run ID: '${runId}'. Run ids are 32 lower-case hex characters here.`);
        const pairs = (name: string) =>
          fields.messages(name).map((pair) => ({ key: pair.requiredString('key'), value: pair.string('value') ?? '' }));
        const run = {
          runId,
          experimentId: fields.requiredString('experiment_id'),
          name: fields.string('run_name') ?? '',
          userId: fields.string('user_id') ?? '',
          status: statusOf(fields) ?? 'RUNNING',
          startTime: fields.integer('start_time') ?? 0,
          endTime: fields.integer('end_time') ?? null,
          params: pairs('params'),
          tags: pairs('tags'),
          datasets: fields.messages('datasets').map(datasetInputOf),
          modelInputs: modelInputsOf(fields, 'model_inputs'),
          modelOutputs: modelOutputsOf(fields, 'model_outputs'),
          origin: fields.requiredString('origin'),
          deleted: fields.string('lifecycle_stage') === 'deleted',
        } as const;
        const { value, positions } = valueOf(await imports.run(run, api.metadata(request)));
        api.sendPosition(reply, positions);
        const { run: here, created } = value;
        const answer = { run_id: runId, created, artifact_uri: here.artifactUri, is_deleted: here.deleted };
        return { ...answer, changed_here: [...(here.changedHere ?? [])] };
      },
    },
    {
      method: 'POST',
      path: 'runs/import-deletion',
      handle: async ({ fields, request, reply }) => {
        const written = valueOf(await imports.deleteRun(runIdOf(fields), fields.requiredString('origin'), api.metadata(request)));
        api.sendPosition(reply, written.positions);
        return undefined;
      },
    },
    {
      method: 'POST',
      path: 'runs/import-points',
      handle: async ({ fields, request, reply }) => {
        const metrics = fields.messages('metrics');
        checkBatchLimit('metrics', LIMITS.metricsPerBatch, metrics.length);
        const { positions } = valueOf(await imports.points(runIdOf(fields), metrics.map(metricOf), api.metadata(request)));
        api.sendPosition(reply, positions);
        return undefined;
      },
    },
  ];
}
