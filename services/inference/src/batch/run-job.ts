import type { ArtifactStore } from '@millrace/artifact-store';
import { Fault, type Ids } from '@millrace/kernel';
import type { OfflineStore, ScratchTables } from '@millrace/offline-store';
import { chunksOf, type BatchJob } from '../domain/batch-job/batch-job.decider.js';
import type { PredictionLogRules } from '../domain/deployment/definitions.js';
import type { BatchChunkScored, BatchJobCompleted, BatchJobRequested } from '../domain/batch-job/batch-job.events.js';
import type { PredictionMade } from '../domain/prediction/prediction.js';
import { isRefusal, Refusal, type RefusalCode } from '../domain/refusal.js';
import { columnsOf, nameIn, type TensorLayout } from '../gateway/assemble-tensors.js';
import type { OutgoingFact } from '../gateway/fact-sink.js';
import type { FeatureReader, FeatureServiceShape } from '../gateway/feature-vectors.js';
import type { Directory } from '../gateway/gateway.js';
import { modelOf } from '../models/model-host.js';
import type { ServedModel } from '../models/served-model.js';
import type { ServingDirectory } from '../models/serving-directory.js';
import { assembleOutput } from './assemble-output.js';
import { recordsOf, untold } from './batch-records.js';
import { outputColumns, type OutputColumn } from './check-columns.js';
import { encodeRows, putChunk } from './chunk-rows.js';
import { chunkDirectory } from './job-files.js';
import { withKeptInput, type InputHost, type StagedInput } from './job-input.js';
import { readRows } from './read-rows.js';
import { scoreRows, type ScoredRow, type ScoringOptions } from './score-rows.js';

export interface RunHost extends InputHost {
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
  readonly directory: Directory & Pick<ServingDirectory, 'findVersion'>;
  readonly features: FeatureReader;
  readonly ids: Ids;
  readonly now: () => number;
  readonly elapsed: () => number;
  readonly timeoutMs: number;
  readonly maxLoggedElements: number;
  /** What a deployment wants kept of its predictions. */
  readonly predictionLogOf: (deployment: string) => PredictionLogRules | undefined;
  readonly appendPredictions: (records: readonly OutgoingFact<PredictionMade>[]) => Promise<unknown>;
  /** Resolves when the table of predictions holds what is on the log. */
  readonly waitForPredictions: () => Promise<unknown>;
}

export interface RunSteps {
  /** An earlier try may have recorded rows of the chunk that comes next. */
  readonly isResumed: boolean;
  /** The job as it is now; throws when it is not to go on. Asked before each run of the model. */
  readonly check: () => BatchJob;
  /** Of the chunk under way, or of what is done after the last one. */
  readonly progress: (stage: 'input' | 'scoring' | 'output', rows: number) => void;
  readonly scored: (chunk: BatchChunkScored) => Promise<void>;
  readonly completed: (result: Omit<BatchJobCompleted, 'rows' | 'failed'>) => Promise<void>;
}

/** Rows read at once: what is parsed in one go keeps the requests of others waiting. */
const READ_ROWS = 2_048;

/**
 * Scores the chunks that are not decided yet, one after the other, and then writes the output of all. A chunk's values are written first, then its rows are
 * recorded where the job says so, then it is decided: whatever is cut off is done again and comes out the same.
 */
export async function runJob(host: RunHost, steps: RunSteps): Promise<void> {
  const { request, attempt } = steps.check();
  steps.progress('input', 0);
  const model = await pinnedModel(host.directory, request);
  const release = model.lease();
  try {
    const layout: TensorLayout = { inputs: model.inputs, features: request.features ?? model.features };
    const columns = outputColumns(model.outputs, request.outputs, request.prefix);
    await withKeptInput(host, request.input, request.columns, async (input) => {
      if (input.rows !== request.rows)
        throw new Fault('MR_INFERENCE_BATCH_INPUT', `the kept input has ${input.rows} rows and had ${request.rows}`, false);
      let mayBeTold = steps.isResumed;
      for (let chunk = steps.check().chunks.length; chunk < chunksOf(request); chunk++) {
        await scoreChunk(host, steps, { request, attempt, model, layout, columns, input, chunk, mayBeTold });
        mayBeTold = false;
      }
      steps.progress('output', request.rows);
      const result = await assembleOutput(host, request, input, columns, steps.check().chunks);
      await steps.completed(result);
    });
  } finally {
    release();
  }
}

const GONE: readonly RefusalCode[] = ['MR_INFERENCE_UNKNOWN_MODEL', 'MR_INFERENCE_UNKNOWN_VERSION'];

/** The version the job was accepted with, loaded. */
export async function pinnedModel(
  directory: Pick<ServingDirectory, 'findVersion'>,
  { model: name, version, digest }: Pick<BatchJobRequested, 'model' | 'version' | 'digest'>,
): Promise<ServedModel> {
  const label = `version ${version} of model ${JSON.stringify(name)}`;
  const served = await directory.findVersion(name, version).catch((error: unknown) => {
    if (!isRefusal(error) || !GONE.includes(error.code)) throw error;
    // A job never asked for a deployment of the model's name, of which the directory speaks.
    const message = `${label}, with which the job was accepted, is not registered any more; ask for the job with one that is`;
    throw new Refusal('MR_INFERENCE_UNKNOWN_VERSION', message, { cause: error });
  });
  const model = modelOf(served.slotOf(served.reference), label);
  if (model.version.digest !== digest) throw new Refusal('MR_INFERENCE_UNSERVABLE', `${label} is another than the job was accepted with`);
  return model;
}

/** The columns of the input that are read to score it. */
export function readColumns(
  layout: TensorLayout,
  shape: FeatureServiceShape | undefined,
  columns: readonly { readonly name: string }[],
): string[] {
  if (shape) return [...new Set([...shape.joinKeys, ...shape.requestFeatures].map(({ name }) => name))];
  const names = new Set(columns.map(({ name }) => name));
  const needed = columnsOf(layout).flatMap((input) => input.columns);
  return [...new Set(needed.map((column) => nameIn(column, (name) => names.has(name)) as string))];
}

interface ChunkWork {
  readonly request: BatchJobRequested;
  readonly attempt: number;
  readonly model: ServedModel;
  readonly layout: TensorLayout;
  readonly columns: readonly OutputColumn[];
  readonly input: StagedInput;
  readonly chunk: number;
  readonly mayBeTold: boolean;
}

async function scoreChunk(host: RunHost, steps: RunSteps, work: ChunkWork): Promise<void> {
  const { request, attempt, model, layout, columns, input, chunk, mayBeTold } = work;
  const { features, elapsed, timeoutMs, artifacts, store } = host;
  const records: OutgoingFact<PredictionMade>[] = [];
  const rules = request.deployment === null ? undefined : host.predictionLogOf(request.deployment);
  const shape = request.featureService === null ? undefined : features.shapeOf(request.featureService);
  if (request.featureService !== null && !shape)
    throw new Refusal('MR_INFERENCE_FEATURES', `feature service ${JSON.stringify(request.featureService)} is not known here yet`);
  const scoring: ScoringOptions = {
    ...{ request, model, layout, columns, features, shape, elapsed, timeoutMs },
    ran: (run) => {
      steps.check();
      records.push(...recordsOf({ ...host, request, attempt, rules, columns: layout.features }, run));
    },
  };
  const from = chunk * request.chunkRows;
  const to = Math.min(request.rows, from + request.chunkRows);
  const names = readColumns(layout, shape, request.columns);
  const step = Math.max(1, Math.floor(READ_ROWS / request.runRows)) * request.runRows;
  const scored: ScoredRow[] = [];
  const encoded: Buffer[] = [];
  for (let at = from; at < to; at += step) {
    steps.check();
    const rows = await scoreRows(scoring, await readRows(store, input, names, at, Math.min(to, at + step)));
    scored.push(...rows);
    // Piece by piece: a whole chunk at once would keep requests waiting.
    encoded.push(encodeRows(columns, at, rows));
    steps.progress('scoring', from + scored.length);
  }
  const directory = chunkDirectory(request.batchJobId, attempt);
  const decision = await putChunk(artifacts, directory, chunk, scored, Buffer.concat(encoded));
  await record(host, records, mayBeTold);
  await steps.scored(decision);
}

/** Brings the records to the log before their chunk is decided, and each of them once. */
async function record(host: RunHost, records: readonly OutgoingFact<PredictionMade>[], mayBeTold: boolean): Promise<void> {
  if (records.length === 0) return;
  if (!mayBeTold) {
    await host.appendPredictions(records);
    return;
  }
  await host.waitForPredictions();
  await host.appendPredictions(await untold(host.store, records));
}
