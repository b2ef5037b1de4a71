import type { Event } from '@millrace/kernel';

/** What is decided about one issue: subject `issue/<issue id>`. */
export type IssueEvent = Event<'IssueCreated', IssueCreated> | Event<'IssueUpdated', IssueUpdated>;

/** Something that is wrong with what an experiment's traces show. */
export interface IssueCreated {
  /** `iss-` and 32 lower-case hex characters. */
  readonly issueId: string;
  readonly experimentId: string;
  readonly name: string;
  readonly description: string;
  /** `pending`, `rejected` or `resolved` with the clients there are. */
  readonly status: string;
  readonly severity: string | null;
  readonly rootCauses: readonly string[];
  readonly categories: readonly string[];
  /** The run that found it. */
  readonly sourceRunId: string | null;
  readonly createdBy: string | null;
}

/** `null`: as it was. */
export interface IssueUpdated {
  readonly name: string | null;
  readonly description: string | null;
  readonly status: string | null;
  readonly severity: string | null;
}
