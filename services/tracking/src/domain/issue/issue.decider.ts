import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { IssueCreated, IssueEvent, IssueUpdated } from './issue.events.js';

export const ISSUE = 'issue';

export interface Issue extends Omit<IssueCreated, 'name' | 'description' | 'status' | 'severity'> {
  name: string;
  description: string;
  status: string;
  severity: string | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
}

/** `null` until it is created. */
export type IssueState = Issue | null;

export type IssueCommand = (Command<'CreateIssue'> & IssueCreated) | (Command<'UpdateIssue'> & IssueUpdated);

export type IssueRejection = Rejection<'MR_TRACKING_ISSUE_NOT_FOUND' | 'MR_TRACKING_ISSUE_EXISTS'>;

/** One issue: found once, then described better and settled. */
export const issue: Decider<IssueState, IssueCommand, IssueEvent, IssueRejection> = {
  initial: () => null,

  evolve(state, event, { time }) {
    if (event.type === 'IssueCreated') return { ...event.data, createdAt: time, updatedAt: time };
    // Cannot be: the decider gives an absent issue no other event. It must not stop the fold.
    if (!state) return null;
    const { name, description, status, severity } = event.data;
    state.name = name ?? state.name;
    state.description = description ?? state.description;
    state.status = status ?? state.status;
    state.severity = severity ?? state.severity;
    state.updatedAt = time;
    return state;
  },

  decide(command, state, { subject }): Decision<IssueEvent, IssueRejection> {
    const issueId = subject.slice(subject.indexOf('/') + 1);
    if (command.type === 'CreateIssue') {
      const { type: _, ...created } = command;
      if (state) return reject('MR_TRACKING_ISSUE_EXISTS', `Issue with ID '${issueId}' already exists.`, { issueId });
      return accept('IssueCreated', created);
    }
    if (!state) return reject('MR_TRACKING_ISSUE_NOT_FOUND', `Issue with ID '${issueId}' not found.`, { issueId });
    const { name, description, status, severity } = command;
    const isSame = (['name', 'description', 'status', 'severity'] as const).every(
      (field) => command[field] === null || command[field] === state[field],
    );
    return isSame ? unchanged : accept('IssueUpdated', { name, description, status, severity });
  },
};
