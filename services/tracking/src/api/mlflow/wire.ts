import { jsonDouble } from '@millrace/mlflow-protocol';
import type { Experiment } from '../../domain/experiments/experiments.decider.js';
import type { MetricPoint } from '../../domain/metric-points/metric-points.js';
import type { RunView } from '../../queries/tracking-view.js';

interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export function experimentJson(experiment: Experiment): object {
  const { id, name, artifactLocation, deleted, createdAt, updatedAt, tags } = experiment;
  return {
    experiment_id: id,
    name,
    artifact_location: artifactLocation,
    lifecycle_stage: deleted ? 'deleted' : 'active',
    last_update_time: updatedAt,
    creation_time: createdAt,
    ...(tags.size > 0 ? { tags: pairs(tags) } : {}),
  };
}

export function runJson(view: RunView): object {
  const { run, metrics } = view;
  const inputs = run.datasets.map(({ name, digest, sourceType, source, schema, profile, tags }) => ({
    tags: pairs(Object.entries(tags)),
    dataset: {
      name,
      digest,
      source_type: sourceType,
      source,
      ...(schema === null ? {} : { schema }),
      ...(profile === null ? {} : { profile }),
    },
  }));
  return {
    info: runInfoJson(view),
    data: { metrics: metrics.map(metricJson), params: pairs(run.params), tags: pairs(run.tags) },
    inputs: {
      dataset_inputs: inputs,
      ...(run.models?.inputs.length ? { model_inputs: run.models.inputs.map((id) => ({ model_id: id })) } : {}),
    },
    ...(run.models?.outputs.length
      ? { outputs: { model_outputs: run.models.outputs.map(({ modelId, step }) => ({ model_id: modelId, step })) } }
      : {}),
  };
}

export function runInfoJson({ run, isActive }: Pick<RunView, 'run' | 'isActive'>): object {
  return {
    run_uuid: run.runId,
    run_id: run.runId,
    run_name: run.name,
    experiment_id: run.experimentId,
    user_id: run.userId,
    status: run.status,
    start_time: run.startTime,
    ...(run.endTime === null ? {} : { end_time: run.endTime }),
    artifact_uri: run.artifactUri,
    lifecycle_stage: isActive ? 'active' : 'deleted',
  };
}

export function metricJson({ key, value, timestamp, step }: MetricPoint): object {
  return { key, value: jsonDouble(value), timestamp, step };
}

function pairs(entries: Iterable<readonly [string, string]>): KeyValue[] {
  return Array.from(entries, ([key, value]) => ({ key, value }));
}
