import type { BatchJobRequested } from '../domain/batch-job/batch-job.events.js';
import { isRefusal, Refusal } from '../domain/refusal.js';
import { elementsOf, rowsOf, type Tensor } from '../domain/tensor/tensor.js';
import { assembleTensors, type TensorLayout } from '../gateway/assemble-tensors.js';
import type { EntityRows } from '../gateway/entity-rows.js';
import type {
  EntityValue,
  FeatureInput,
  FeatureReader,
  FeatureServiceShape,
  FeatureValue,
  FeatureVectors,
} from '../gateway/feature-vectors.js';
import { readFeatures, withRequests } from '../gateway/read-features.js';
import type { ServedModel } from '../models/served-model.js';
import { BATCH_PRIORITY, DEFAULT_PRIORITY } from '../runner/priorities.js';
import type { OutputColumn } from './check-columns.js';
import type { BatchRow } from './read-rows.js';

/** A row's values: the run's tensors, and which of their rows is its own; or why it has none. */
export type ScoredRow = { readonly outputs: readonly Tensor[]; readonly index: number } | { readonly error: string };

/** One run of the model for a job, or a single row for which there was none: what a record of it tells. */
export interface BatchRun {
  readonly rows: readonly BatchRow[];
  readonly entityRows: EntityRows | undefined;
  readonly vectors: FeatureVectors | undefined;
  readonly inputs: readonly Tensor[] | undefined;
  readonly outputs: readonly Tensor[] | undefined;
  readonly failure: Refusal | undefined;
  readonly batchRows: number | null;
  readonly micros: number;
}

export interface ScoringOptions {
  readonly request: BatchJobRequested;
  readonly model: ServedModel;
  readonly layout: TensorLayout;
  readonly columns: readonly OutputColumn[];
  readonly features: FeatureReader;
  /** Of the request's feature service; absent without one. */
  readonly shape: FeatureServiceShape | undefined;
  /** Monotonic milliseconds, as the model's queue counts them. */
  readonly elapsed: () => number;
  readonly timeoutMs: number;
  /** Told after each run. */
  readonly ran: (run: BatchRun) => void;
}

/** A row cannot be scored, and the job was to fail then. */
export class RowFailure extends Error {
  override readonly name = 'RowFailure';
  constructor(
    readonly row: number,
    message: string,
  ) {
    super(`row ${row}: ${message}`);
  }
}

export function isRowFailure(error: unknown): error is RowFailure {
  return error instanceof Error && error.name === 'RowFailure';
}

/** What is about the rows, and not about the moment. */
const ROW_TROUBLE: readonly string[] = ['MR_INFERENCE_INVALID', 'MR_INFERENCE_FAILED'];

/**
 * Scores rows in runs of {@link BatchJobRequested.runRows}, one after the other: requests of others get in between. Runs are cut by the rows' places alone and
 * are not put together with anybody's, so the same rows give the same values to the last bit. A run that fails is cut in halves until the rows are found that it
 * fails for.
 */
export async function scoreRows(options: ScoringOptions, rows: readonly BatchRow[]): Promise<ScoredRow[]> {
  const { runRows } = options.request;
  const scored: ScoredRow[] = [];
  for (let from = 0; from < rows.length; from += runRows) scored.push(...(await scoreRun(options, rows.slice(from, from + runRows))));
  return scored;
}

async function scoreRun(options: ScoringOptions, rows: readonly BatchRow[]): Promise<ScoredRow[]> {
  const started = options.elapsed();
  let failure: Refusal;
  try {
    return await run(options, rows, started);
  } catch (error) {
    if (!isRefusal(error) || !ROW_TROUBLE.includes(error.code)) throw error;
    failure = error;
  }
  const [only] = rows;
  if (rows.length > 1) {
    const half = Math.ceil(rows.length / 2);
    return [...(await scoreRun(options, rows.slice(0, half))), ...(await scoreRun(options, rows.slice(half)))];
  }
  if (!only) return [];
  options.ran({
    ...{ rows, failure, entityRows: undefined, vectors: undefined, inputs: undefined, outputs: undefined, batchRows: null },
    micros: Math.round((options.elapsed() - started) * 1000),
  });
  if (options.request.onRowError === 'fail') throw new RowFailure(only.row, failure.message);
  return [{ error: failure.message }];
}

async function run(options: ScoringOptions, rows: readonly BatchRow[], started: number): Promise<ScoredRow[]> {
  const { request, model, layout, shape, features, elapsed, timeoutMs } = options;
  const entityRows = shape && entityRowsOf(shape, rows, request.featureTime ?? 0);
  const vectors = entityRows && (await readFeatures(features, request.featureService as string, entityRows));
  const inputs = assembleTensors(
    layout,
    filled(layout, vectors && entityRows ? withRequests(vectors, entityRows) : rows.map(({ values }) => values)),
  );
  const asked = { inputs, outputs: request.outputs, isAlone: true };
  // After everybody who waits for an answer; but one that had no turn for so long goes in line with them, or a model that is always busy would fail the job.
  const { outputs, batchRows } = await model.queue
    .run({ ...asked, deadline: elapsed() + timeoutMs, priority: BATCH_PRIORITY })
    .catch((error: unknown) => {
      if (!isRefusal(error) || error.code !== 'MR_INFERENCE_DEADLINE') throw error;
      return model.queue.run({ ...asked, deadline: elapsed() + timeoutMs, priority: DEFAULT_PRIORITY });
    });
  checkOutputs(options, outputs, inputs[0] ? rowsOf(inputs[0]) : rows.length);
  const micros = Math.round((elapsed() - started) * 1000);
  options.ran({ rows, entityRows, vectors, inputs, outputs, batchRows, micros, failure: undefined });
  return rows.map((_, index) => ({ outputs, index }));
}

/** A model that takes so many rows and no other number gets the last row again until there are so many. */
function filled<T>({ inputs }: TensorLayout, rows: readonly T[]): readonly T[] {
  const size = fixedRows(inputs);
  const last = rows.at(-1);
  if (size === undefined || last === undefined || rows.length >= size) return rows;
  return [...rows, ...Array.from({ length: size - rows.length }, () => last)];
}

/** Rows of each run, where the model is made for one number of them. */
export function fixedRows(inputs: TensorLayout['inputs']): number | undefined {
  const size = inputs[0]?.shape?.[0];
  return size === undefined || size < 1 ? undefined : size;
}

function checkOutputs({ columns }: ScoringOptions, outputs: readonly Tensor[], rows: number): void {
  for (const [index, output] of outputs.entries()) {
    const name = JSON.stringify(output.name);
    if (rowsOf(output) !== rows)
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `output ${name} has ${rowsOf(output)} rows for ${rows} rows of input; say outputs without it`,
      );
    if (columns[index]?.isList === false && elementsOf(output.shape) !== rows)
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `output ${name} has shape [${output.shape.join(',')}], and the model declares one value a row`,
      );
  }
}

function entityRowsOf(shape: FeatureServiceShape, rows: readonly BatchRow[], at: number): EntityRows {
  return {
    entities: rows.map((row) => valuesOf<EntityValue>(shape.joinKeys, row)),
    requests: rows.map((row) => valuesOf<FeatureValue>(shape.requestFeatures, row)),
    at,
  };
}

function valuesOf<T>(inputs: readonly FeatureInput<T>[], { values }: BatchRow): Record<string, T> {
  const found: Record<string, T> = {};
  for (const input of inputs) {
    const given = values.get(input.name) ?? null;
    const value = input.parse(given);
    if (value === undefined) {
      const told = given === null ? 'nothing' : String(given);
      throw new Refusal('MR_INFERENCE_INVALID', `column ${JSON.stringify(input.name)}: ${told} is not a value of ${input.type}`);
    }
    found[input.name] = value;
  }
  return found;
}
