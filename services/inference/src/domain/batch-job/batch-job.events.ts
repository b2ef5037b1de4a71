import type { Event } from '@millrace/kernel';

export interface BatchColumn {
  readonly name: string;
  /** In ClickHouse's words. */
  readonly type: string;
}

/** Where a job's rows come from. Whatever it was, its rows lie in the artifact store and do not change any more. */
export type BatchInput =
  /** Rows a query gave when the job was asked for: ClickHouse's Native format, compressed with zstd. */
  | { readonly kind: 'query'; readonly sql: string; readonly path: string; readonly digest: string }
  /** A file that was sent, as it came. */
  | { readonly kind: 'file'; readonly format: 'parquet' | 'csv'; readonly path: string; readonly digest: string }
  /** The Parquet file of a training set. */
  | { readonly kind: 'trainingSet'; readonly trainingSetId: string; readonly path: string; readonly digest: string };

/** What happens to a row that cannot be scored: it has no values and says why in the column `error`, or the job fails with it. */
export type OnRowError = 'column' | 'fail';

/** Which rows are recorded as predictions: none, a share of them chosen by the job and the row's number, or all. */
export type BatchLogging = 'none' | 'sampled' | 'all';

/** All that a job computes from: pinned when it is accepted. */
export interface BatchJobRequested {
  readonly batchJobId: string;
  /** What was named: a deployment, or null when it was a model. */
  readonly deployment: string | null;
  readonly model: string;
  readonly version: number;
  /** SHA-256 of the version's artifact, as it was registered. */
  readonly digest: string | null;
  readonly input: BatchInput;
  /** Of the input, in order. */
  readonly columns: readonly BatchColumn[];
  readonly rows: number;
  /** The input's columns that are the single tensor's, in order; null: those that the model names. */
  readonly features: readonly string[] | null;
  /** Features are read online by the join keys among the columns; null: all that the model needs is among the columns. */
  readonly featureService: string | null;
  /** Features are as of then, milliseconds since the epoch; null without a feature service. */
  readonly featureTime: number | null;
  /** Outputs of the model, in the order of their columns. */
  readonly outputs: readonly string[];
  /** Put before the names of the outputs. */
  readonly prefix: string;
  /** The input's columns that the output has as well. */
  readonly keep: readonly string[];
  /** Rows of one run of the model; the last run of a chunk may have fewer. */
  readonly runRows: number;
  readonly chunkRows: number;
  readonly onRowError: OnRowError;
  readonly log: BatchLogging;
  /** Share of the rows that are recorded: 0 to 1. */
  readonly sampleRate: number;
  /** `table` is Parquet and a table of the offline store. */
  readonly output: 'parquet' | 'table';
}

/** The values of a chunk lie in the artifact store. */
export interface BatchChunkScored {
  /** Its number, from 0. */
  readonly chunk: number;
  readonly rows: number;
  /** Rows of it without values. */
  readonly failed: number;
  readonly path: string;
  /** Of the file. */
  readonly bytes: number;
  /** Of the bytes before they were compressed. */
  readonly sha256: string;
}

export interface BatchJobCompleted {
  readonly rows: number;
  readonly failed: number;
  readonly columns: readonly BatchColumn[];
  /** Of the Parquet file. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** The table with the same rows, where one was asked for. */
  readonly table: string | null;
}

export interface BatchJobFailed {
  readonly code: string;
  readonly message: string;
  /** The row it failed with; null when it was none. */
  readonly row: number | null;
  /** Rows scored before. */
  readonly rows: number;
  readonly failed: number;
}

export interface BatchJobCancelled {
  /** Rows scored before. */
  readonly rows: number;
  readonly failed: number;
}

export interface BatchOutputDeleted {
  /** Of the Parquet file. */
  readonly path: string;
  readonly bytes: number;
  /** The table with the same rows, where there was one. */
  readonly table: string | null;
}

export type BatchJobEvent =
  | Event<'BatchJobRequested', BatchJobRequested>
  | Event<'BatchChunkScored', BatchChunkScored>
  | Event<'BatchJobCompleted', BatchJobCompleted>
  | Event<'BatchJobFailed', BatchJobFailed>
  | Event<'BatchJobCancelled', BatchJobCancelled>
  | Event<'BatchOutputDeleted', BatchOutputDeleted>;
