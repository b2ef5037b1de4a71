import { bucketOf, BUCKETS } from '@millrace/assignment';
import type { Ids } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';
import type { PredictionLogRules } from '../domain/deployment/definitions.js';
import type { BatchJobRequested } from '../domain/batch-job/batch-job.events.js';
import type { PredictionMade } from '../domain/prediction/prediction.js';
import { elementsOf, pickRows, sliceRows, type Tensor } from '../domain/tensor/tensor.js';
import { describeRows } from '../gateway/describe-rows.js';
import type { OutgoingFact } from '../gateway/fact-sink.js';
import { redactRecord } from '../gateway/redact-rows.js';
import { unitsTaken } from '../gateway/units.js';
import type { BatchRun } from './score-rows.js';

export interface RecordsOptions {
  readonly request: BatchJobRequested;
  readonly attempt: number;
  readonly ids: Ids;
  readonly now: () => number;
  readonly maxLoggedElements: number;
  /** What the job's deployment wants kept. */
  readonly rules: PredictionLogRules | undefined;
  /** Columns of the model's one input, in order. */
  readonly columns: readonly string[] | undefined;
}

/** Whether a row is recorded: a matter of the job and the row's place alone, so that another try records the same ones. */
export function isRecorded({ batchJobId, log, sampleRate }: BatchJobRequested, row: number): boolean {
  if (log === 'none') return false;
  return log === 'all' || bucketOf(batchJobId, String(row)) < sampleRate * BUCKETS;
}

/**
 * The records of a run, as the gateway's own are: both halves, errors included. `row` is the row's place in the input, `requestId` the job. Where the tensors of
 * all rows are more than a record keeps, there are several. Their ids are made of the job and the first row.
 */
export function recordsOf(options: RecordsOptions, run: BatchRun): OutgoingFact<PredictionMade>[] {
  const { request, attempt, ids, now } = options;
  const chosen = run.rows.flatMap(({ row }, index) => (isRecorded(request, row) ? [index] : []));
  const records: OutgoingFact<PredictionMade>[] = [];
  const most = rowsPerRecord(options.maxLoggedElements, run);
  for (let from = 0; from < chosen.length; from += most) {
    const indexes = chosen.slice(from, from + most);
    const firstRow = run.rows[indexes[0] as number]?.row ?? 0;
    const predictionId = ids.derived(`${request.batchJobId}/${attempt}`, `prediction of row ${firstRow}`);
    const data = predictionOf(options, run, indexes, predictionId);
    records.push({ key: predictionId, id: predictionId, time: now(), data });
  }
  return records;
}

/** Those that an earlier try has not brought to the log: what is in the table of predictions is not told twice. */
export async function untold(
  store: OfflineStore,
  records: readonly OutgoingFact<PredictionMade>[],
): Promise<readonly OutgoingFact<PredictionMade>[]> {
  if (records.length === 0) return records;
  const found = await store.query<{ id: string }>(
    'SELECT DISTINCT prediction_id AS id FROM millrace.predictions WHERE prediction_id IN {ids:Array(String)}',
    { ids: records.map(({ id }) => id) },
  );
  const told = new Set(found.map(({ id }) => id));
  return records.filter(({ id }) => !told.has(id));
}

function predictionOf(
  { request, maxLoggedElements, rules, columns }: RecordsOptions,
  run: BatchRun,
  indexes: readonly number[],
  predictionId: string,
): PredictionMade {
  const { entityRows, vectors, failure, batchRows, micros } = run;
  const keys = entityRows?.entities.map((entity) => Object.values(entity)[0]);
  // One row that is larger than a record keeps is told without its tensors.
  const kept = (tensors: readonly Tensor[] | undefined): readonly Tensor[] | undefined =>
    elementsPerRow(tensors) <= maxLoggedElements ? tensors : undefined;
  const inputs = entityRows ? undefined : run.inputs?.map((tensor) => sliceRows(tensor, 0, run.rows.length));
  const described = describeRows(indexes, {
    units: run.rows.map((_, index) => (keys?.[index] === undefined ? null : String(keys[index]))),
    ...{ entityRows, vectors },
    tensors: kept(inputs),
    outputs: kept(run.outputs?.map((tensor) => pickRows(tensor, indexes))),
    maxElements: Infinity,
  });
  const record: PredictionMade = {
    predictionId,
    requestId: request.batchJobId,
    ...{ deployment: request.deployment, model: request.model, version: request.version, digest: request.digest },
    ...{ experiment: null, variant: null },
    rows: described.map((row) => ({ ...row, row: run.rows[row.row]?.row ?? row.row })),
    featureService: request.featureService,
    featureTime: request.featureTime,
    featurePositions: vectors?.positions ?? null,
    featureVersions: vectors?.versions ?? null,
    batchRows,
    latencyMicros: micros,
    error: failure ? { code: failure.code, message: failure.message } : null,
    traceparent: null,
  };
  return redactRecord(record, rules, { columns, units: unitsTaken(Object.keys(entityRows?.entities[0] ?? {})[0]) });
}

/** So many that the tensors of all of them are kept. */
function rowsPerRecord(maxElements: number, { inputs, outputs }: BatchRun): number {
  const most = Math.max(elementsPerRow(inputs), elementsPerRow(outputs));
  return Math.max(1, Math.floor(maxElements / Math.max(1, most)));
}

function elementsPerRow(tensors: readonly Tensor[] | undefined): number {
  return (tensors ?? []).reduce((sum, tensor) => sum + elementsOf(tensor.shape.slice(1)), 0);
}
