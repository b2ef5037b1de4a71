import type { TrainedModel } from '../trainer.js';
import type { Quality } from '../quality.js';
import { PlatformError, type PlatformClient } from './platform-client.js';

export const MODEL_NAME = 'flight-delay';

export interface LoggedModel {
  readonly runId: string;
  readonly version: number;
}

/** Logs a trained model as an MLflow client would: a run with params and metrics, the artifact, a version, an alias. */
export async function logModel(
  client: PlatformClient,
  model: { name: string; trained: TrainedModel; heldOut: Quality; trainingSet: string; featureService: string; alias: string },
): Promise<LoggedModel> {
  const experimentId = await experiment(client, 'flights');
  const mlflow = <T>(path: string, body: object): Promise<T> => client.post<T>(`/api/2.0/mlflow/${path}`, body);
  const created = await mlflow<{ run: { info: { run_id: string; artifact_uri: string } } }>('runs/create', {
    experiment_id: experimentId,
    run_name: model.name,
    start_time: Date.now(),
    tags: [{ key: 'mlflow.source.name', value: 'examples/flights' }],
  });
  const { run_id: runId, artifact_uri: artifactUri } = created.run.info;
  const timestamp = Date.now();
  await mlflow('runs/log-batch', {
    run_id: runId,
    params: [
      { key: 'trainer', value: 'logistic regression' },
      { key: 'features', value: model.trained.model.features.join(',') },
      { key: 'training_set', value: model.trainingSet },
      { key: 'feature_service', value: model.featureService },
    ],
    metrics: Object.entries({
      held_out_auc: model.heldOut.auc ?? 0,
      held_out_brier: model.heldOut.brier,
      held_out_log_loss: model.heldOut.logLoss,
      train_brier: model.trained.quality.brier,
    }).map(([key, value]) => ({ key, value, timestamp, step: 0 })),
    tags: [],
  });
  const path = artifactUri.replace(/^mlflow-artifacts:\/+/, '');
  await client.put(`/api/2.0/mlflow-artifacts/artifacts/${path}/model/model.onnx`, new Uint8Array(model.trained.onnx));
  await mlflow('runs/update', { run_id: runId, status: 'FINISHED', end_time: Date.now() });
  await registeredModel(client);
  const registered = await mlflow<{ model_version: { version: string } }>('model-versions/create', {
    name: MODEL_NAME,
    source: `${artifactUri}/model`,
    run_id: runId,
    description: model.name,
  });
  const version = Number(registered.model_version.version);
  await mlflow('registered-models/alias', { name: MODEL_NAME, alias: model.alias, version: String(version) });
  return { runId, version };
}

async function experiment(client: PlatformClient, name: string): Promise<string> {
  try {
    return (await client.post<{ experiment_id: string }>('/api/2.0/mlflow/experiments/create', { name })).experiment_id;
  } catch (error) {
    if (!alreadyExists(error)) throw error;
    const found = await client.get<{ experiment: { experiment_id: string } }>(
      `/api/2.0/mlflow/experiments/get-by-name?experiment_name=${name}`,
    );
    return found.experiment.experiment_id;
  }
}

async function registeredModel(client: PlatformClient): Promise<void> {
  try {
    await client.post('/api/2.0/mlflow/registered-models/create', { name: MODEL_NAME, description: 'Departs more than 15 minutes late' });
  } catch (error) {
    if (!alreadyExists(error)) throw error;
  }
}

function alreadyExists(error: unknown): boolean {
  return error instanceof PlatformError && error.body.includes('RESOURCE_ALREADY_EXISTS');
}
