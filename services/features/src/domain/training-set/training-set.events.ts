import type { Event } from '@millrace/kernel';

/** A definition as it was applied: kept whole, so that a training set can be built again whatever has been applied since. */
export type DefinitionText = Readonly<Record<string, unknown>>;

export interface ViewDefinitionTexts {
  readonly view: DefinitionText;
  readonly entity: DefinitionText;
  readonly source: DefinitionText;
}

/** Where a training set's rows come from. */
export type Spine =
  | { readonly kind: 'sql'; readonly sql: string; readonly digest: string }
  /** Rows of the request, kept as an artifact of JSON lines. */
  | { readonly kind: 'rows'; readonly path: string; readonly digest: string }
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
  readonly featureService: string;
  /** Features in the order of the columns. */
  readonly features: readonly { readonly view: string; readonly feature: string; readonly column: string }[];
  /** Version of each view, by its name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly definitions: readonly ViewDefinitionTexts[];
  readonly spine: Spine;
  readonly timestampColumn: string;
  /** Topic -> next offset by partition: what was known. */
  readonly positions: Readonly<Record<string, readonly number[]>>;
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
}

export interface TrainingSetFailed {
  readonly code: string;
  readonly message: string;
}

export type TrainingSetEvent =
  | Event<'TrainingSetRequested', TrainingSetRequested>
  | Event<'TrainingSetBuilt', TrainingSetBuilt>
  | Event<'TrainingSetFailed', TrainingSetFailed>;
