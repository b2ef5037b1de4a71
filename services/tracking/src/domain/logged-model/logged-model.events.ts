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
}

/** The client has uploaded it, or failed to. */
export interface LoggedModelFinalized {
  readonly status: LoggedModelOutcome;
}

/** Tags that are new or changed. */
export interface LoggedModelTagged {
  readonly tags: Readonly<Record<string, string>>;
}

export interface LoggedModelUntagged {
  readonly key: string;
}

/** Params that are new. */
export interface LoggedModelParamsLogged {
  readonly params: Readonly<Record<string, string>>;
}

export type LoggedModelDeleted = Readonly<Record<string, never>>;
