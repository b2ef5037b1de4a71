import { parseDuration } from '@millrace/feature-engine';
import type { RolloutGateSpec, RolloutSpec } from '@millrace/resources';
import type { OutcomeGate, RolloutGate, RolloutPlan, RolloutStep } from '../domain/rollout/rollout.events.js';

const DEFAULT_LIMITS: Readonly<Record<string, number>> = { prediction_drift: 0.1, disagreement: 0.05 };
const DEFAULT_WITHIN = '1h';
const LABELLED = ['brier', 'misclassification', 'label_mean'];

/** The plan a rollout of this spec follows: shares as numbers, defaults filled in. */
export function planOf(name: string, spec: RolloutSpec): RolloutPlan {
  const { strategy, deployment, candidate, reward } = spec;
  const isMirrored = strategy === 'shadow' || strategy === 'blue-green';
  const isAutomatic = strategy === 'canary' || strategy === 'blue-green';
  return {
    ...{ deployment, candidate, strategy, unit: spec.unit ?? null, salt: spec.salt ?? name },
    steps: stepsOf(spec, isMirrored),
    mirror: isMirrored ? shareOf(spec.mirror ?? '100%') : 0,
    gates: (spec.gates ?? []).map((gate) => gateOf(name, gate)),
    reward: reward ? { label: reward.label, every: reward.every ?? 100, floor: shareOf(reward.floor ?? '5%') } : null,
    alpha: spec.alpha ?? 0.05,
    promotion: isAutomatic ? (spec.promotion ?? 'automatic') : 'manual',
    fallback: spec.fallback ?? 'primary',
  };
}

function stepsOf(spec: RolloutSpec, isMirrored: boolean): RolloutStep[] {
  if (spec.strategy !== 'canary') return [{ share: isMirrored ? 0 : shareOf(spec.split ?? '50%'), pauseMs: 0, samples: 0 }];
  return (spec.steps ?? []).map((step) => {
    const { share, pause, samples = 0 } = typeof step === 'string' ? { share: step } : step;
    return { share: shareOf(share), pauseMs: pause === undefined ? 0 : (parseDuration(pause) as number), samples };
  });
}

function gateOf(rollout: string, spec: RolloutGateSpec): RolloutGate {
  const { metric, label, margin, limit, tolerance = 0.01, guard = false } = spec;
  const usualLimit = DEFAULT_LIMITS[metric];
  const bound = usualLimit === undefined ? (margin ?? (metric.startsWith('latency') ? 0.2 : 0.01)) : (limit ?? usualLimit);
  const gate = { metric, label: LABELLED.includes(metric) ? (label ?? 'label') : null, bound, tolerance, guard };
  return metric.startsWith('outcome_') ? { ...gate, outcome: outcomeOf(rollout, spec) } : gate;
}

function outcomeOf(
  rollout: string,
  { metric, outcome = '', experiment = rollout, range = [0, 1], better = 'more', within }: RolloutGateSpec,
): OutcomeGate {
  const [low, high] = range as readonly [number, number];
  const withinMs = parseDuration(within ?? DEFAULT_WITHIN) as number;
  return { experiment, name: outcome, measure: metric === 'outcome_mean' ? 'mean' : 'proportion', low, high, better, withinMs };
}

function shareOf(text: string): number {
  return Number.parseFloat(text) / 100;
}
