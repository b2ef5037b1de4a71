import { describe, expect, test } from '@jest/globals';
import { ISSUE, issue, type IssueCommand, type IssueState } from './issue.decider.js';
import type { IssueCreated, IssueEvent } from './issue.events.js';

const context = { subject: `${ISSUE}/iss-1`, commandId: 'c', time: 9, actor: 'ann' };
const data: IssueCreated = {
  ...{ issueId: 'iss-1', experimentId: '1', name: 'slow', description: 'a minute', status: 'pending', severity: null },
  ...{ rootCauses: ['index'], categories: [], sourceRunId: null, createdBy: null },
};

function given(...events: IssueEvent[]) {
  const state = events.reduce<IssueState>(
    (folded, event, index) => issue.evolve(folded, event, { ...context, time: index, sequence: index + 1 }),
    issue.initial(),
  );
  return { state, when: (command: IssueCommand) => issue.decide(command, state, context) };
}

const same = { name: null, description: null, status: null, severity: null };

describe('an issue', () => {
  test('is created once', () => {
    expect(given().when({ type: 'CreateIssue', ...data })).toMatchObject({ kind: 'accept', event: { type: 'IssueCreated' } });
    expect(given({ type: 'IssueCreated', data }).when({ type: 'CreateIssue', ...data })).toMatchObject({ kind: 'reject' });
  });

  test('changes where somebody says so', () => {
    const { when } = given({ type: 'IssueCreated', data });
    expect(when({ type: 'UpdateIssue', ...same, status: 'resolved' })).toMatchObject({ event: { data: { ...same, status: 'resolved' } } });
    expect(when({ type: 'UpdateIssue', ...same, status: 'pending', name: 'slow' })).toEqual({ kind: 'unchanged' });
    expect(given({ type: 'IssueCreated', data }, { type: 'IssueUpdated', data: { ...same, severity: 'low' } }).state).toMatchObject({
      ...{ name: 'slow', severity: 'low', createdAt: 0, updatedAt: 1, rootCauses: ['index'] },
    });
  });

  test('is nothing before it is created', () => {
    expect(given().when({ type: 'UpdateIssue', ...same })).toMatchObject({ rejection: { code: 'MR_TRACKING_ISSUE_NOT_FOUND' } });
  });
});
