import { expect, test } from '@jest/globals';
import { checkDocument } from './check-documents.js';
import type { RolloutSpec } from './resource.js';

const DEPLOYMENTS: Readonly<Record<string, object>> = {
  delay: { model: 'models:/delay@champion' },
  tried: { model: 'models:/delay@champion', experiment: 'trial' },
};
const lookup = ((kind: string, name: string) => (kind === 'Deployment' ? DEPLOYMENTS[name] : name === 'taken' ? {} : undefined)) as never;

function problemsOf(change: Partial<RolloutSpec>, name = 'delay-v2'): string[] {
  // DESIGN's own example.
  const spec: RolloutSpec = {
    ...{ deployment: 'delay', strategy: 'canary', candidate: 'models:/delay/2', unit: 'origin', steps: ['5%', '25%', '50%'] },
    gates: [{ metric: 'error_rate' }, { metric: 'latency_p99' }, { metric: 'brier', label: 'delayed' }],
    ...change,
  };
  const document = { index: 1, kind: 'Rollout' as const, name, labels: {}, description: null, spec: spec as never };
  return checkDocument(document, lookup, undefined as never).map(({ field, message }) => `${field} ${message}`);
}

test('the example of the design is sound', () => {
  expect(problemsOf({})).toEqual([]);
});

test.each<[string, Partial<RolloutSpec>, RegExp]>([
  ['a deployment that is not there', { deployment: 'nobody' }, /^spec.deployment Deployment nobody does not exist/],
  ['a deployment with an experiment', { deployment: 'tried' }, /runs Experiment trial/],
  ['what is served already', { candidate: 'models:/delay@champion' }, /^spec.candidate is what Deployment delay serves already/],
  ['steps that shrink', { steps: ['25%', '5%'] }, /^spec.steps\[1\] 5% is not more than 25%/],
  ['a step with all traffic', { steps: ['5%', { share: '100%' }] }, /^spec.steps\[1\] is all traffic/],
  ['a field of another strategy', { mirror: '10%' }, /^spec.mirror is a field of shadow and blue-green rollouts/],
  ['a bandit without a reward', { strategy: 'bandit', steps: undefined as never }, /^spec.reward is missing/],
  ['a gate of mirrored requests', { gates: [{ metric: 'disagreement' }] }, /^spec.gates\[0\].metric needs mirrored requests/],
  ['a limit where there is a margin', { gates: [{ metric: 'error_rate', limit: 0.1 }] }, /^spec.gates\[0\].limit is a field of/],
  ['the same gate twice', { gates: [{ metric: 'error_rate' }, { metric: 'error_rate' }] }, /is there twice/],
])('refuses %s', (_what, change, message) => {
  expect(problemsOf(change)).toContainEqual(expect.stringMatching(message));
});

test('refuses the name of an experiment', () => {
  expect(problemsOf({}, 'taken')).toContainEqual(expect.stringMatching(/^metadata.name Experiment taken has the name already/));
});
