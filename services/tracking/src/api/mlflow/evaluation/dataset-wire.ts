import { pythonJson } from '@millrace/mlflow-protocol';
import { createHash } from 'node:crypto';
import type { DatasetRecord } from '../../../domain/evaluation-dataset/dataset-records.js';
import type { EvaluationDataset } from '../../../domain/evaluation-dataset/evaluation-dataset.decider.js';
import type { RecordsSummary } from '../../../queries/dataset-records.query.js';
import type { DatasetSchema } from '../../../queries/dataset-schema.query.js';

/** Who MLflow's clients say made something. */
const USER_TAG = 'mlflow.user';

/** A dataset with what its records come to: they change it too. */
export interface ShownDataset {
  readonly dataset: EvaluationDataset;
  readonly records: number;
  readonly updatedAt: number;
  readonly updatedBy: string;
  readonly schema?: DatasetSchema;
}

export function shownDataset(dataset: EvaluationDataset, summary: RecordsSummary | undefined): ShownDataset {
  const isNewer = summary !== undefined && summary.at >= dataset.updatedAt;
  return {
    dataset,
    records: summary?.records ?? 0,
    updatedAt: isNewer ? summary.at : dataset.updatedAt,
    updatedBy: isNewer ? summary.by : dataset.updatedBy,
  };
}

export function datasetJson({ dataset, records, updatedAt, updatedBy, schema }: ShownDataset): object {
  const { datasetId, name, tags, experimentIds, createdAt } = dataset;
  return {
    ...{ dataset_id: datasetId, name, tags: pythonJson(Object.fromEntries(tags)), created_time: createdAt, last_update_time: updatedAt },
    ...{ created_by: creatorOf(dataset), last_updated_by: updatedBy, experiment_ids: [...experimentIds] },
    profile: pythonJson({ num_records: records }),
    ...(schema === undefined ? {} : { schema: pythonJson(schema) }),
    // It changes whenever the dataset does, which is all a client may conclude from it.
    digest: createHash('sha256').update(`${name}:${updatedAt}:${records}`).digest('hex').slice(0, 8),
  };
}

export function creatorOf({ tags, createdBy }: EvaluationDataset): string {
  return tags.get(USER_TAG) ?? createdBy;
}

export function recordJson(record: DatasetRecord): object {
  const { source } = record;
  const sourceId = source?.source_data?.[source.source_type === 'TRACE' ? 'trace_id' : 'source_id'];
  return {
    dataset_record_id: record.recordId,
    dataset_id: record.datasetId,
    inputs: record.inputs,
    ...(record.outputs === null ? {} : { outputs: record.outputs }),
    ...(record.expectations === null ? {} : { expectations: record.expectations }),
    tags: record.tags,
    ...(source === null ? {} : { source, ...(source.source_type === undefined ? {} : { source_type: source.source_type }) }),
    ...(typeof sourceId === 'string' ? { source_id: sourceId } : {}),
    created_time: record.createdAt,
    last_update_time: record.updatedAt,
    created_by: typeof record.tags[USER_TAG] === 'string' ? record.tags[USER_TAG] : record.createdBy,
    last_updated_by: record.updatedBy,
  };
}
