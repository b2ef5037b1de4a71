import type { Event } from '@millrace/kernel';

/** What is decided about experiments. All are decisions of the one subject `experiments/catalog`, because names are unique. */
export type ExperimentsEvent =
  | Event<'ExperimentCreated', ExperimentCreated>
  | Event<'ExperimentRenamed', ExperimentRenamed>
  | Event<'ExperimentDeleted', ExperimentDeleted>
  | Event<'ExperimentRestored', ExperimentRestored>
  | Event<'ExperimentTagged', ExperimentTagged>
  | Event<'ExperimentUntagged', ExperimentUntagged>
  | Event<'ExperimentPurged', ExperimentPurged>;

export interface ExperimentCreated {
  /** A decimal number as text; "0" is the default experiment. Never given twice. */
  readonly experimentId: string;
  readonly name: string;
  /** Runs keep their artifacts below `<artifactLocation>/<run id>/artifacts`. */
  readonly artifactLocation: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Of one that was brought from another server. */
  readonly imported?: ImportedExperiment;
}

/** Where and when an experiment was made that was brought here. Times are milliseconds since the epoch. */
export interface ImportedExperiment {
  readonly origin: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Its id there; it is kept when it is free here. */
  readonly experimentId: string;
}

export interface ExperimentRenamed {
  readonly experimentId: string;
  readonly from: string;
  readonly to: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

/** The experiment and its runs are set aside; the name stays taken. */
export interface ExperimentDeleted {
  readonly experimentId: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface ExperimentRestored {
  readonly experimentId: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

/** A deleted experiment is gone for good; its runs went before it, and its name is free. */
export interface ExperimentPurged {
  readonly experimentId: string;
}

export interface ExperimentTagged {
  readonly experimentId: string;
  readonly key: string;
  readonly value: string;
}

export interface ExperimentUntagged {
  readonly experimentId: string;
  readonly key: string;
}
