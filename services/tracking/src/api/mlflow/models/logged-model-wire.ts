import { jsonDouble, pythonJson } from '@millrace/mlflow-protocol';
import type { LoggedModel } from '../../../domain/logged-model/logged-model.decider.js';
import type { LoggedModelStatus } from '../../../domain/logged-model/logged-model.events.js';
import type { ModelMetric } from '../../../queries/model-metrics.query.js';
import type { NamedVersion } from '../../../queries/registered-versions-view.js';

/** Where MLflow says which registered versions were made of a model. */
const VERSIONS_TAG = 'mlflow.modelVersions';

export const LOGGED_MODEL_STATUSES: Readonly<Record<LoggedModelStatus, string>> = {
  PENDING: 'LOGGED_MODEL_PENDING',
  READY: 'LOGGED_MODEL_READY',
  FAILED: 'LOGGED_MODEL_UPLOAD_FAILED',
};

export function loggedModelJson(model: LoggedModel, metrics: readonly ModelMetric[] = [], versions: readonly NamedVersion[] = []): object {
  const tags =
    versions.length === 0
      ? model.tags
      : new Map([...model.tags, [VERSIONS_TAG, pythonJson(versions.map(({ name, version }) => ({ name, version })))]]);
  return {
    info: {
      model_id: model.modelId,
      experiment_id: model.experimentId,
      name: model.name,
      creation_timestamp_ms: model.createdAt,
      last_updated_timestamp_ms: model.updatedAt,
      artifact_uri: model.artifactUri,
      status: LOGGED_MODEL_STATUSES[model.status],
      ...(model.modelType === null ? {} : { model_type: model.modelType }),
      ...(model.sourceRunId === null ? {} : { source_run_id: model.sourceRunId }),
      tags: pairs(tags),
    },
    data: { params: pairs(model.params), metrics: metrics.map(metricJson) },
  };
}

function metricJson({ modelId, runId, key, value, timestamp, step, datasetName, datasetDigest }: ModelMetric): object {
  return {
    key,
    value: jsonDouble(value),
    timestamp,
    step,
    ...(datasetName === '' ? {} : { dataset_name: datasetName }),
    ...(datasetDigest === '' ? {} : { dataset_digest: datasetDigest }),
    model_id: modelId,
    run_id: runId,
  };
}

function pairs(entries: Iterable<readonly [string, string]>): object[] {
  return Array.from(entries, ([key, value]) => ({ key, value }));
}
