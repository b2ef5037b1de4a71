import type { Event } from '@millrace/kernel';

/** What is decided about one run: subject `run/<run id>`. Metric points are facts of their own. */
export type RunEvent =
  | Event<'RunCreated', RunCreated>
  | Event<'RunUpdated', RunUpdated>
  | Event<'RunFinished', RunFinished>
  | Event<'RunDeleted', RunDeleted>
  | Event<'RunRestored', RunRestored>
  | Event<'RunAnnotated', RunAnnotated>
  | Event<'RunUntagged', RunUntagged>
  | Event<'DatasetsLogged', DatasetsLogged>
  | Event<'RunPurged', RunPurged>
  | Event<'ModelsLinked', ModelsLinked>;

export const RUNNING_STATUSES = ['RUNNING', 'SCHEDULED'] as const;
export const FINAL_STATUSES = ['FINISHED', 'FAILED', 'KILLED'] as const;

export type RunningStatus = (typeof RUNNING_STATUSES)[number];
export type FinalStatus = (typeof FINAL_STATUSES)[number];
export type RunStatus = RunningStatus | FinalStatus;

export interface RunCreated {
  /** 32 lower-case hex characters. */
  readonly runId: string;
  readonly experimentId: string;
  readonly name: string;
  readonly userId: string;
  /** Milliseconds since the epoch, by the client's clock. */
  readonly startTime: number;
  readonly artifactUri: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** `null`: as it was. */
export interface RunUpdated {
  readonly status: RunningStatus | null;
  readonly endTime: number | null;
  readonly name: string | null;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

/** `endTime` and `name` `null`: as they were. */
export interface RunFinished {
  readonly status: FinalStatus;
  readonly endTime: number | null;
  readonly name: string | null;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface RunDeleted {
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface RunRestored {
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

/** A deleted run is gone for good, with its artifacts. Its id is not given again. */
export type RunPurged = Readonly<Record<string, never>>;

/** Params and tags that are new or, for tags, changed. */
export interface RunAnnotated {
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface RunUntagged {
  readonly key: string;
}

export interface DatasetsLogged {
  readonly inputs: readonly DatasetInput[];
}

export interface DatasetInput {
  readonly name: string;
  readonly digest: string;
  readonly sourceType: string;
  readonly source: string;
  readonly schema: string | null;
  readonly profile: string | null;
  readonly tags: Readonly<Record<string, string>>;
}

/** Logged models that are new to the run: those it used, and those it made. */
export interface ModelsLinked {
  readonly inputs: readonly string[];
  readonly outputs: readonly ModelOutput[];
}

export interface ModelOutput {
  readonly modelId: string;
  readonly step: number;
}
