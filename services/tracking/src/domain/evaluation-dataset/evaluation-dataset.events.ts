import type { Event } from '@millrace/kernel';

/** What is decided about one evaluation dataset: subject `evaluation-dataset/<dataset id>`. Its records are facts of their own. */
export type EvaluationDatasetEvent =
  | Event<'EvaluationDatasetCreated', EvaluationDatasetCreated>
  | Event<'EvaluationDatasetTagged', EvaluationDatasetTagged>
  | Event<'EvaluationDatasetUntagged', EvaluationDatasetUntagged>
  | Event<'EvaluationDatasetLinked', EvaluationDatasetLinked>
  | Event<'EvaluationDatasetUnlinked', EvaluationDatasetUnlinked>
  | Event<'EvaluationDatasetDeleted', EvaluationDatasetDeleted>;

export interface EvaluationDatasetCreated {
  /** `d-` and 32 lower-case hex characters. */
  readonly datasetId: string;
  /** Need not be unique. */
  readonly name: string;
  /** The experiments it belongs to at first. */
  readonly experimentIds: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

/** Tags that are new or changed. */
export interface EvaluationDatasetTagged {
  readonly tags: Readonly<Record<string, string>>;
}

export interface EvaluationDatasetUntagged {
  readonly key: string;
}

/** Experiments it belongs to from now on, beside those it belongs to. */
export interface EvaluationDatasetLinked {
  readonly experimentIds: readonly string[];
}

/** Experiments it belongs to no more. */
export interface EvaluationDatasetUnlinked {
  readonly experimentIds: readonly string[];
}

export type EvaluationDatasetDeleted = Readonly<Record<string, never>>;
