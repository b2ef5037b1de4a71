import { expect, test } from '@jest/globals';
import { checkDocument } from './check-documents.js';
import type { RolloutSpec } from './resource.js';

const DEPLOYMENTS: Readonly<Record<string, object>> = {
  delay: { model: 'models:/delay@champion' },
  tried: { model: 'models:/delay@champion', experiment: 'trial' },
};
const EXPERIMENTS: Readonly<Record<string, object>> = {
  taken: {},
  checkout: { metrics: [{ name: 'revenue', source: 'outcome', type: 'mean' }] },
};
const lookup = ((kind: string, name: string) => (kind === 'Deployment' ? DEPLOYMENTS : EXPERIMENTS)[name]) as never;

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

test('outcomes of the rollout and of an experiment are sound', () => {
  const gates = [
    { metric: 'outcome_proportion', outcome: 'paid', within: '1d' },
    { metric: 'outcome_mean', outcome: 'revenue', experiment: 'checkout', range: [-20, 200], better: 'more' as const },
  ];
  expect(problemsOf({ gates })).toEqual([]);
});

test.each<[string, Partial<RolloutSpec>, RegExp]>([
  ['a deployment that is not there', { deployment: 'nobody' }, /^spec.deployment Deployment nobody does not exist/],
  ['a deployment with an experiment', { deployment: 'tried' }, /runs Experiment trial/],
  ['what is served already', { candidate: 'models:/delay@champion' }, /^spec.candidate is what Deployment delay serves already/],
  ['steps that shrink', { steps: ['25%', '5%'] }, /^spec.steps\[1\] 5% is not more than 25%/],
  ['a step with all traffic', { steps: ['5%', { share: '100%' }] }, /^spec.steps\[1\] is all traffic/],
  ['a field of another strategy', { mirror: '10%' }, /^spec.mirror is a field of shadow and blue-green rollouts/],
  ['a mirror of nothing', { strategy: 'shadow', steps: undefined as never, mirror: '0.0%' }, /^spec.mirror copies no request/],
  ['a bandit without a reward', { strategy: 'bandit', steps: undefined as never }, /^spec.reward is missing/],
  ['a gate of mirrored requests', { gates: [{ metric: 'disagreement' }] }, /^spec.gates\[0\].metric needs mirrored requests/],
  ['a limit where there is a margin', { gates: [{ metric: 'error_rate', limit: 0.1 }] }, /^spec.gates\[0\].limit is a field of/],
  ['the same gate twice', { gates: [{ metric: 'error_rate' }, { metric: 'error_rate' }] }, /is there twice/],
  ['an outcome gate without an outcome', { gates: [{ metric: 'outcome_proportion' }] }, /^spec.gates\[0\].outcome is missing/],
  ['a mean without ends', { gates: [{ metric: 'outcome_mean', outcome: 'paid' }] }, /^spec.gates\[0\].range is missing/],
  ['ends the wrong way', { gates: [{ metric: 'outcome_mean', outcome: 'paid', range: [5, 5] }] }, /^spec.gates\[0\].range must grow/],
  [
    'an outcome of no metric',
    { gates: [{ metric: 'error_rate', outcome: 'paid' }] },
    /^spec.gates\[0\].outcome is a field of outcome_mean/,
  ],
  [
    'outcomes of an experiment that is not there',
    { gates: [{ metric: 'outcome_proportion', outcome: 'paid', experiment: 'nobody' }] },
    /^spec.gates\[0\].experiment Experiment nobody does not exist/,
  ],
  [
    'an outcome that the experiment has not',
    { gates: [{ metric: 'outcome_proportion', outcome: 'paid', experiment: 'checkout' }] },
    /^spec.gates\[0\].outcome Experiment checkout has no metric paid/,
  ],
  [
    'outcomes of mirrored requests',
    { strategy: 'shadow', steps: undefined as never, gates: [{ metric: 'outcome_proportion', outcome: 'paid' }] },
    /^spec.gates\[0\].metric says nothing of mirrored requests/,
  ],
])('refuses %s', (_what, change, message) => {
  expect(problemsOf(change)).toContainEqual(expect.stringMatching(message));
});

test('refuses the name of an experiment', () => {
  expect(problemsOf({}, 'taken')).toContainEqual(expect.stringMatching(/^metadata.name Experiment taken has the name already/));
});
