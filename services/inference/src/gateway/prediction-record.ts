import { shareOf } from '@millrace/kernel';
import type { DeploymentDefinition, ExperimentDefinition } from '../domain/deployment/definitions.js';
import type { AskedByStream, PredictedRow, PredictionMade } from '../domain/prediction/prediction.js';
import { isRefusal } from '../domain/refusal.js';
import type { Tensor } from '../domain/tensor/tensor.js';
import type { ServedModel } from '../models/served-model.js';
import type { RunResult } from '../runner/batching-queue.js';
import { describeRows } from './describe-rows.js';
import type { EntityRows } from './entity-rows.js';
import type { FeatureVectors } from './feature-vectors.js';
import { redactRecord, redactRows } from './redact-rows.js';
import type { UnitSource } from './units.js';

/** Everything that is known of a request, or of its part that went to one model, when it is over. */
export interface Answered {
  readonly predictionId: string;
  readonly requestId: string | undefined;
  readonly askedBy: AskedByStream | undefined;
  readonly deployment: DeploymentDefinition | undefined;
  readonly model: Pick<ServedModel, 'version' | 'features'>;
  readonly experiment: ExperimentDefinition | undefined;
  readonly variant: string | null;
  /** Numbers of the rows that went to this model. */
  readonly rows: readonly number[];
  readonly units: readonly (string | null)[];
  readonly unitSource: UnitSource;
  readonly entityRows: EntityRows | undefined;
  readonly vectors: FeatureVectors | undefined;
  /** The time the request says it is about, milliseconds since the epoch; `null` where it says none. */
  readonly eventTime: number | null;
  /** The request's own tensors. */
  readonly tensors: readonly Tensor[];
  readonly result: RunResult | undefined;
  readonly failure: unknown;
  readonly latencyMs: number;
  readonly traceparent: string | undefined;
}

/** Whether the rules of its deployment keep the record of a request: errors and what is decided by records always are, of the others a share by their ids. */
export function isRecorded({ deployment, variant, failure, predictionId }: Answered): boolean {
  const sample = deployment?.predictionLog?.sample ?? 1;
  return sample >= 1 || failure !== undefined || variant !== null || shareOf(predictionId) < sample;
}

/**
 * The record of what was answered, to be written by {@link predictionJson}. Tensors of more than `maxElements` are left out of it, and so is what the deployment does not want
 * kept.
 */
export function predictionRecord(answered: Answered, maxElements: number): PredictionMade {
  const { deployment, model, experiment, variant, entityRows, vectors, result, failure } = answered;
  const record: PredictionMade = {
    predictionId: answered.predictionId,
    requestId: answered.requestId ?? null,
    deployment: deployment?.name ?? null,
    model: model.version.name,
    version: model.version.version,
    digest: model.version.digest,
    experiment: experiment?.isRollout ? null : (experiment?.name ?? null),
    variant,
    ...(experiment?.isRollout ? { rollout: experiment.name } : {}),
    // What is not to be kept has to be looked for in the values.
    rows: describe(answered, maxElements, !deployment?.predictionLog?.redact.size),
    featureService: vectors ? (deployment?.featureService ?? null) : null,
    featureTime: entityRows ? (vectors ? entityRows.at : null) : answered.eventTime,
    featurePositions: vectors?.positions ?? null,
    featureVersions: vectors?.versions ?? null,
    batchRows: result?.batchRows ?? null,
    latencyMicros: Math.round(answered.latencyMs * 1000),
    error: failure === undefined ? null : errorOf(failure),
    traceparent: answered.traceparent ?? null,
    ...answered.askedBy,
  };
  return redactRecord(record, deployment?.predictionLog, { columns: model.features, units: answered.unitSource });
}

/** The units as the record has them. */
export function recordedUnits(answered: Answered, maxElements: number): readonly (string | null)[] {
  const { deployment, model, unitSource: units } = answered;
  if (!deployment?.predictionLog?.redact.size) return answered.units;
  const rows = describe(answered, maxElements, false);
  return redactRows(rows, { ...deployment.predictionLog, columns: model.features, units }).map(({ unit }) => unit);
}

function describe(answered: Answered, maxElements: number, asSent: boolean): PredictedRow[] {
  const { rows, units, entityRows, vectors, tensors, result } = answered;
  const outputs = result?.outputs;
  return describeRows(rows, { units, entityRows, vectors, outputs, maxElements, asSent, tensors: entityRows ? undefined : tensors });
}

function errorOf(failure: unknown): { code: string; message: string } {
  const code = isRefusal(failure) ? failure.code : 'MR_INFERENCE_FAILED';
  return { code, message: failure instanceof Error ? failure.message : String(failure) };
}
