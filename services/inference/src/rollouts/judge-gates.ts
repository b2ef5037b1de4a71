import {
  countOf,
  differenceVerdict,
  distanceVerdict,
  meansVerdict,
  NO_SUMS,
  quantileVerdict,
  shareVerdict,
  type BoundedSums,
  type SequentialVerdict,
  type VerdictOptions,
} from '@millrace/statistics';
import type { Evidence, GateJudgement, RolloutGate, RolloutPlan } from '../domain/rollout/rollout.events.js';
import type { LabelMetric } from './label-sums.js';
import type { OutcomeSums } from './outcome-sums.js';
import type { RolloutSums } from './rollout-sums.js';

type Numbers = Record<string, number>;

/**
 * Every gate as it stands. It fails by all that the run has shown, at the plan's level shared among the gates; it passes by what was shown since
 * the step began, each at the plan's level: a good start at 5 % says nothing about 50 %. Pure: the same sums give the same judgement.
 */
export function judgeGates(plan: RolloutPlan, run: RolloutSums, step: RolloutSums): Evidence {
  const options = { failAlpha: plan.alpha / Math.max(1, plan.gates.length), passAlpha: plan.alpha };
  const gates = plan.gates.map((gate): GateJudgement => {
    const whole = verdictOf(gate, run, options);
    const isFailed = whole.judged.verdict === 'failed';
    const shown = isFailed || run === step ? whole : verdictOf(gate, step, options);
    // What only the step says against it is too little to fail: it fails by the whole run.
    const verdict = isFailed ? 'failed' : shown.judged.verdict === 'failed' ? 'undecided' : shown.judged.verdict;
    const { metric, label, outcome, guard, bound } = gate;
    const { estimate, lower, upper, samples, more } = shown.judged;
    return {
      metric,
      label: label ?? outcome?.name ?? null,
      guard,
      verdict,
      estimate,
      lower,
      upper,
      bound,
      samples,
      more,
      numbers: shown.numbers,
    };
  });
  return { requests: { ...run.requests }, gates, positions: { ...run.positions } };
}

function verdictOf(gate: RolloutGate, sums: RolloutSums, options: VerdictOptions): { judged: SequentialVerdict; numbers: Numbers } {
  const { metric, bound, tolerance } = gate;
  const margin = { ...options, margin: bound };
  const limit = { ...options, limit: bound };
  if (metric === 'error_rate') {
    const numbers = { ...numbersOf(sums.errors), primaryErrors: sums.failures('primary'), candidateErrors: sums.failures('candidate') };
    return { judged: differenceVerdict(sums.errors, margin), numbers };
  }
  if (metric === 'disagreement') {
    const differing = sums.disagreement(tolerance);
    return { judged: shareVerdict(differing, limit), numbers: numbersOf(differing) };
  }
  if (metric === 'prediction_drift') {
    const arms = { control: sums.predictions.primary, treatment: sums.predictions.candidate };
    return { judged: distanceVerdict(arms, limit), numbers: { primary: countOf(arms.control), candidate: countOf(arms.treatment) } };
  }
  if (metric.startsWith('latency_p')) {
    const arms = { control: sums.latencies.primary, treatment: sums.latencies.candidate };
    const quantile = Number(metric.slice('latency_p'.length)) / 100;
    return {
      judged: quantileVerdict(arms, { ...margin, quantile }),
      numbers: { primary: countOf(arms.control), candidate: countOf(arms.treatment) },
    };
  }
  if (gate.outcome) {
    const outcomes = sums.outcomes(gate.outcome);
    const differences = outcomes?.differences ?? NO_SUMS;
    return { judged: differenceVerdict(differences, margin), numbers: { ...numbersOf(differences), ...outcomeNumbers(outcomes) } };
  }
  const totals = sums.labels.totals.get(gate.label ?? '');
  const differences = totals?.differences.get(metric as LabelMetric);
  if (differences) return { judged: differenceVerdict(differences, margin), numbers: numbersOf(differences) };
  const control = totals?.primary.get(metric as LabelMetric) ?? NO_SUMS;
  const treatment = totals?.candidate.get(metric as LabelMetric) ?? NO_SUMS;
  const numbers = { ...numbersOf(control, 'primary.'), ...numbersOf(treatment, 'candidate.') };
  return { judged: meansVerdict({ control, treatment }, margin), numbers };
}

function outcomeNumbers(outcomes: OutcomeSums | undefined): Numbers {
  if (!outcomes) return {};
  const [primary, candidate] = [outcomes.totals('primary'), outcomes.totals('candidate')];
  return {
    ...{ 'primary.n': primary.n, 'primary.sum': primary.sum, 'candidate.n': candidate.n, 'candidate.sum': candidate.sum },
    waiting: outcomes.waiting,
  };
}

function numbersOf({ n, sum, squares }: BoundedSums, prefix = ''): Numbers {
  return { [`${prefix}n`]: n, [`${prefix}sum`]: sum, [`${prefix}squares`]: squares };
}
