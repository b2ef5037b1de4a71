import type { Lookup } from './check-documents.js';
import type { RolloutGateSpec, RolloutSpec } from './resource.js';
import { notThere, type Say } from './say.js';

/** Fields that only some strategies have, with the strategies that have them. */
const FIELDS: Readonly<Partial<Record<keyof RolloutSpec, readonly RolloutSpec['strategy'][]>>> = {
  steps: ['canary'],
  split: ['ab', 'bandit'],
  mirror: ['shadow', 'blue-green'],
  reward: ['bandit'],
  promotion: ['canary', 'blue-green'],
};

const OF_LABELS = /^(brier|misclassification|label_mean)$/;
const OF_OUTCOMES = /^outcome_(mean|proportion)$/;
const OUTCOME_FIELDS = ['outcome', 'experiment', 'better', 'within'] as const;
const OF_LIMITS = /^(prediction_drift|disagreement)$/;

/** What the schema of a Rollout cannot say: names that must exist, and each strategy and gate with its own fields and no others. */
export function checkRollout(spec: RolloutSpec, say: Say, lookup: Lookup, name: string): void {
  const deployment = lookup('Deployment', spec.deployment);
  if (!deployment) say('spec.deployment', notThere('Deployment', spec.deployment));
  else if (deployment.experiment !== undefined)
    say(
      'spec.deployment',
      `Deployment ${spec.deployment} runs Experiment ${deployment.experiment}, which assigns its units; take that out first`,
    );
  else if (deployment.model === spec.candidate) say('spec.candidate', `is what Deployment ${spec.deployment} serves already`);
  if (lookup('Experiment', name))
    say('metadata.name', `Experiment ${name} has the name already, and units are told apart by it; take another`);
  for (const [field, strategies] of Object.entries(FIELDS)) {
    if (spec[field as keyof RolloutSpec] !== undefined && !strategies.includes(spec.strategy))
      say(`spec.${field}`, `is a field of ${strategies.join(' and ')} rollouts, this one is ${spec.strategy}`);
  }
  if (spec.strategy === 'canary') checkSteps(spec, say);
  if (spec.mirror !== undefined && Number.parseFloat(spec.mirror) === 0)
    say('spec.mirror', 'copies no request, and nothing would ever be compared; give a share above 0%');
  if (spec.strategy === 'bandit' && spec.reward === undefined)
    say('spec.reward', 'is missing; a bandit needs a label that it earns, for example {label: paid}');
  const seen = new Set<string>();
  (spec.gates ?? []).forEach((gate, index) => {
    const sayOf: Say = (field, message) => say(`spec.gates[${index}]${field}`, message);
    checkGate(gate, spec, sayOf);
    checkOutcomeGate(gate, spec, sayOf, lookup);
    const key = [gate.metric, gate.label, gate.experiment, gate.outcome].join(' ');
    if (seen.has(key)) say(`spec.gates[${index}].metric`, `${gate.metric} is there twice`);
    seen.add(key);
  });
}

function checkSteps({ steps }: RolloutSpec, say: Say): void {
  if (!steps) return say('spec.steps', 'is missing; a canary needs shares that grow, for example [5%, 25%, 50%]');
  let last = 0;
  steps.forEach((step, index) => {
    const share = Number.parseFloat(typeof step === 'string' ? step : step.share);
    if (share <= last) say(`spec.steps[${index}]`, `${share}% is not more than ${last}% before it`);
    if (share >= 100)
      say(`spec.steps[${index}]`, 'is all traffic, and leaves nothing to compare with; the candidate gets it after the last step');
    last = share;
  });
}

function checkGate(gate: RolloutGateSpec, spec: RolloutSpec, say: Say): void {
  const isMirrored = spec.strategy === 'shadow' || spec.strategy === 'blue-green';
  if (gate.metric === 'disagreement' && !isMirrored)
    say('.metric', 'needs mirrored requests: it is a gate of shadow and blue-green rollouts');
  if (gate.label !== undefined && !OF_LABELS.test(gate.metric))
    say('.label', `is a field of metrics of labels, this one is ${gate.metric}`);
  if (gate.metric === 'label_mean' && isMirrored)
    say('.metric', 'says nothing of mirrored requests, whose answers nobody acted on; use brier or misclassification');
  if (gate.limit !== undefined && !OF_LIMITS.test(gate.metric))
    say('.limit', `is a field of prediction_drift and disagreement; ${gate.metric} has a margin`);
  if (gate.margin !== undefined && OF_LIMITS.test(gate.metric)) say('.margin', `${gate.metric} has a limit and no margin`);
  if (gate.margin !== undefined && gate.margin >= 1 && !gate.metric.startsWith('latency')) say('.margin', 'must be below 1');
  if (gate.tolerance !== undefined && gate.metric !== 'disagreement') say('.tolerance', 'is a field of disagreement');
}

function checkOutcomeGate(gate: RolloutGateSpec, spec: RolloutSpec, say: Say, lookup: Lookup): void {
  const { metric, outcome, experiment, range } = gate;
  if (range !== undefined && metric !== 'outcome_mean') say('.range', 'is a field of outcome_mean');
  if (!OF_OUTCOMES.test(metric)) {
    for (const field of OUTCOME_FIELDS)
      if (gate[field] !== undefined) say(`.${field}`, `is a field of outcome_mean and outcome_proportion, this one is ${metric}`);
    return;
  }
  if (spec.strategy === 'shadow' || spec.strategy === 'blue-green')
    say('.metric', 'says nothing of mirrored requests, whose answers nobody acted on: it is a gate of canary, ab and bandit rollouts');
  if (outcome === undefined) say('.outcome', 'is missing; which outcome of the units is it about, for example {outcome: paid}');
  if (range && (range[0] as number) >= (range[1] as number))
    say('.range', 'must grow: the smallest value of a unit that counts, then the largest');
  if (metric === 'outcome_mean' && range === undefined)
    say('.range', 'is missing; between which values a unit counts, for example [0, 200]: no test holds for values without an end');
  if (experiment === undefined || outcome === undefined) return;
  const metrics = lookup('Experiment', experiment)?.metrics;
  if (!lookup('Experiment', experiment)) say('.experiment', notThere('Experiment', experiment));
  else if (!metrics?.some(({ name, source }) => name === outcome && source === 'outcome'))
    say('.outcome', `Experiment ${experiment} has no metric ${outcome} of outcomes`);
}
