import type { Event } from '@millrace/kernel';

/** What is decided about one logged model: subject `logged-model/<model id>`. Its metrics are facts of their own. */
export type LoggedModelEvent =
  | Event<'LoggedModelCreated', LoggedModelCreated>
  | Event<'LoggedModelFinalized', LoggedModelFinalized>
  | Event<'LoggedModelTagged', LoggedModelTagged>
  | Event<'LoggedModelUntagged', LoggedModelUntagged>
  | Event<'LoggedModelParamsLogged', LoggedModelParamsLogged>
  | Event<'LoggedModelDeleted', LoggedModelDeleted>;

export const LOGGED_MODEL_OUTCOMES = ['READY', 'FAILED'] as const;

export type LoggedModelOutcome = (typeof LOGGED_MODEL_OUTCOMES)[number];
export type LoggedModelStatus = 'PENDING' | LoggedModelOutcome;

export interface LoggedModelCreated {
  /** `m-` and 32 lower-case hex characters, as MLflow's URIs `models:/m-…` have it. */
  readonly modelId: string;
  readonly experimentId: string;
  readonly name: string;
  /** What the client calls its kind; `null` when it told none. */
  readonly modelType: string | null;
  /** The run that logs it; `null` for a model logged outside of one. */
  readonly sourceRunId: string | null;
  readonly artifactUri: string;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Of one that was brought from another server; absent otherwise. */
  readonly imported?: ImportedLoggedModel;
}

export interface ImportedLoggedModel {
  /** Address of the server it comes from, without credentials. */
  readonly origin: string;
  /** When it was created and last changed there, milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** What it was there when it was brought. */
  readonly status: LoggedModelStatus;
}

/** The client has uploaded it, or failed to. */
export interface LoggedModelFinalized {
  readonly status: LoggedModelOutcome;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

/** Tags that are new or changed. */
export interface LoggedModelTagged {
  readonly tags: Readonly<Record<string, string>>;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface LoggedModelUntagged {
  readonly key: string;
}

/** Params that are new. */
export interface LoggedModelParamsLogged {
  readonly params: Readonly<Record<string, string>>;
}

export type LoggedModelDeleted = Readonly<Record<string, never>>;
