import type { Event } from '@millrace/kernel';

/** A definition as it was applied: kept whole, so that a training set can be built again whatever has been applied since. */
export type DefinitionText = Readonly<Record<string, unknown>>;

export interface ViewDefinitionTexts {
  readonly view: DefinitionText;
  readonly entity: DefinitionText;
  readonly source: DefinitionText;
}

/** Rows of a query, kept as an artifact: what the query would give later does not matter any more. */
export interface KeptRows {
  /** In the artifact store: ClickHouse's Native format, compressed with zstd. */
  readonly path: string;
  readonly columns: readonly TrainingSetColumn[];
}

/** Where a training set's rows come from. */
export type Spine =
  | ({ readonly kind: 'sql'; readonly sql: string; readonly digest: string } & Partial<KeptRows>)
  /** Rows of the request, kept as an artifact of JSON lines. */
  | { readonly kind: 'rows'; readonly path: string; readonly digest: string }
  /** A file that was sent, as it came. */
  | { readonly kind: 'file'; readonly format: 'parquet' | 'csv'; readonly path: string; readonly digest: string }
  /** What the gateway answered from features: one row per predicted row. */
  | ({
      readonly kind: 'predictions';
      readonly deployment: string | null;
      /** Milliseconds since the epoch, of the answer: the first time, and the time before which it ends. */
      readonly from: number | null;
      readonly to: number | null;
      readonly digest: string;
    } & KeptRows)
  | {
      readonly kind: 'source';
      readonly source: string;
      readonly columns: readonly string[];
      /** Milliseconds since the epoch: the first time, and the time before which it ends. */
      readonly from: number | null;
      readonly to: number | null;
    };

export interface TrainingSetRequested {
  readonly trainingSetId: string;
  /** As it was asked for: a name, or a version of it. */
  readonly featureService: string;
  /** The version that was, which a model trained on the set pins. */
  readonly featureServiceVersion?: number;
  /** Features in the order of the columns. */
  readonly features: readonly { readonly view: string; readonly feature: string; readonly column: string }[];
  /** Version of each view, by its name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly definitions: readonly ViewDefinitionTexts[];
  /** Of the views computed on demand, with the versions of the views they read. */
  readonly onDemand?: readonly DefinitionText[];
  readonly spine: Spine;
  readonly timestampColumn: string;
  /** Topic -> next offset by partition: what was known. */
  readonly positions: Readonly<Record<string, readonly number[]>>;
  /** `row`: of what was known, each row only has what its own prediction was made with. Absent: every row has all of it. */
  readonly knownBy?: 'row';
  /** Parquet when absent; `table` is Parquet and a table of the offline store. */
  readonly output?: 'arrow' | 'table';
  /** How it is written, which its id has in it; 2 when absent. */
  readonly format?: number;
}

export interface TrainingSetColumn {
  readonly name: string;
  /** In ClickHouse's words. */
  readonly type: string;
}

export interface TrainingSetBuilt {
  readonly rows: number;
  readonly columns: readonly TrainingSetColumn[];
  readonly bytes: number;
  readonly sha256: string;
  /** In the artifact store. */
  readonly path: string;
  /** The table with the same rows, where one was asked for. */
  readonly table?: string;
}

export interface TrainingSetFailed {
  readonly code: string;
  readonly message: string;
}

export type TrainingSetEvent =
  | Event<'TrainingSetRequested', TrainingSetRequested>
  | Event<'TrainingSetBuilt', TrainingSetBuilt>
  | Event<'TrainingSetFailed', TrainingSetFailed>;
