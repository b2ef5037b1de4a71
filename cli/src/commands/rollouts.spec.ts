import { expect, test } from '@jest/globals';
import { decisionText, rolloutText, type Decision, type Rollout } from './rollouts.js';

const decision = (type: string, data: Decision['data']): string =>
  decisionText({ sequence: 3, type, time: '2026-01-01T00:00:00.000Z', actor: 'inference', data });
const arms = { primary: { model: 'delay', version: 6 }, candidate: { model: 'delay', version: 7 } };

test('a split of a bandit is told with the rewards it was drawn from', () => {
  const rewards = { primary: { n: 60, sum: 23 }, candidate: { n: 47, sum: 38 } };
  expect(decision('RolloutReweighted', { share: 0.95, seed: 7, rewards, evidence: null })).toBe(
    '#3 2026-01-01T00:00:00.000Z RolloutReweighted by inference: 95%; seed 7; rewards primary n=60 sum=23, candidate n=47 sum=38\n',
  );
});

test('a run is told with the versions it compares, and why it began anew', () => {
  expect(decision('RolloutStarted', { arms, reason: 'begun anew' })).toContain(
    'by inference: delay version 7 against delay version 6; begun anew\n',
  );
  const rollout: Rollout = {
    ...{ name: 'r', status: 'running', waitsFor: 'a request that the candidate answers', run: 1, version: 1, deployment: 'delay' },
    ...{ candidate: 'models:/delay@next', strategy: 'canary', steps: [{ share: 0.05 }], arms, step: 0, share: 0.05 },
    ...{ isConcluded: false, reason: '', evidence: null },
  };
  expect(rolloutText({ ...rollout, reason: 'waits for 60 more rewards' })).toBe(rolloutText(rollout));
  expect(rolloutText({ ...rollout, reason: 'begun anew' })).toContain('rollout r is running: begun anew\nit waits for a request');
  expect(rolloutText(rollout)).toBe(
    `rollout r is running
it waits for a request that the candidate answers
canary of models:/delay@next on deployment delay: 5% of the units (run 1, version 1)
delay version 7 against delay version 6
`,
  );
  const line = (change: Partial<Rollout>): string => rolloutText({ ...rollout, ...change });
  expect(line({ status: 'waiting', run: 0, version: 2, share: 0 })).toContain('on deployment delay: it has not begun (version 2)\n');
  expect(line({ strategy: 'shadow', share: 0, mirror: 0.5 })).toContain('0% of the units, copies of 50% of the requests (run 1');
  expect(line({ steps: [{ share: 0.05, pauseMs: 60_000 }], stepSince: '2026-01-01T00:00:00.000Z' })).toContain(
    '5% of the units, at least until 2026-01-01T00:01:00.000Z (run 1',
  );
  expect(line({ status: 'promoted', waitsFor: 'Rollout s was promoted after it and answers in its stead' })).toContain(
    'it does not answer: Rollout s was promoted after it',
  );
});
