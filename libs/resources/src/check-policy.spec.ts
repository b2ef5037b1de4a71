import { expect, test } from '@jest/globals';
import { checkPolicy } from './check-policy.js';
import type { PolicySpec } from './resource.js';

function problemsOf(change: Partial<PolicySpec>): string[] {
  const problems: string[] = [];
  checkPolicy(
    { aliases: ['champion'], ...change },
    (field, message) => void problems.push(`${field} ${message}`),
    () => undefined,
  );
  return problems;
}

test.each<[string, Partial<PolicySpec>]>([
  ['anybody approves', { approvals: 5 }],
  ['a pattern among the approvers', { approvals: 5, approvers: ['ana', 'sre-*'] }],
  ['as many as there are', { approvals: 2, approvers: ['ana', 'bob'] }],
  ['one of the requesters is no approver', { approvals: 2, approvers: ['ana', 'bob'], requesters: ['ana', 'eve'] }],
  ['none needed', { approvals: 0, approvers: ['ana'], requesters: ['ana'] }],
])('approvals that can be given: %s', (_, change) => {
  expect(problemsOf(change)).toEqual([]);
});

test.each<[string, Partial<PolicySpec>, number]>([
  ['more than approvers', { approvals: 3, approvers: ['ana', 'bob', 'bob'] }, 2],
  ['the approver alone may ask', { approvers: ['ana'], requesters: ['ana'] }, 0],
  ['whoever asks is an approver', { approvals: 2, approvers: ['ana', 'bob'], requesters: ['bob', 'ana'] }, 1],
])('approvals that can never be given: %s', (_, change, most) => {
  const asked = change.approvals ?? 1;
  expect(problemsOf(change)).toEqual([
    expect.stringContaining(`spec.approvals asks for ${asked}, and of the approvers at most ${most} can give theirs`),
  ]);
});

test('a policy that would keep every version from being served is refused', () => {
  expect(problemsOf({ governsServing: true })).toEqual([]);
  expect(problemsOf({ aliases: [], stages: ['Staging', 'Archived'], governsServing: true })).toEqual([]);
  expect(problemsOf({ aliases: [], stages: ['None', 'Archived'] })).toEqual([]);
  expect(problemsOf({ aliases: [], stages: ['None', 'Archived'], governsServing: true })).toEqual([
    expect.stringContaining('spec.governsServing would keep every version from being served: name an alias'),
  ]);
});

test.each(['999999d', '23999976h', '999999999ms'])('a request may wait %s', (expiresAfter) => {
  expect(problemsOf({ expiresAfter })).toEqual([]);
});

test.each(['1000000d', '999999999h', '999999999d'])('no request may wait %s', (expiresAfter) => {
  expect(problemsOf({ expiresAfter })).toEqual([`spec.expiresAfter is ${expiresAfter}; a request may wait 999999d at most`]);
});
