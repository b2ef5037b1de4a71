import type { RolloutState } from '../domain/rollout/rollout.decider.js';
import type { Rewards } from '../domain/rollout/rollout.events.js';
import { rewardsOf, type RolloutSums } from './rollout-sums.js';

type Rewarded = { readonly labels: Pick<RolloutSums['labels'], 'totals'> };

/** The rewards of both arms that have come. */
export function rewardsIn({ labels }: Rewarded, label: string): { readonly primary: Rewards; readonly candidate: Rewards } {
  const totals = labels.totals.get(label);
  return { primary: rewardsOf(totals?.primary.get('reward')), candidate: rewardsOf(totals?.candidate.get('reward')) };
}

/** What a bandit's next split waits for: it stays as it is until rewards come, and nothing else of it says that none do. Empty for other strategies. */
export function rewardsMissing({ plan, rewarded }: Pick<RolloutState, 'plan' | 'rewarded'>, whole: Rewarded): string[] {
  if (plan?.strategy !== 'bandit' || !plan.reward) return [];
  const { label, every } = plan.reward;
  const { primary, candidate } = rewardsIn(whole, label);
  const count = primary.n + candidate.n;
  const missing = Math.max(1, rewarded + every - count);
  return [
    `${missing} more ${missing === 1 ? 'reward' : 'rewards'}, which are labels ${label} of Deployment ${plan.deployment}; ${count} have come`,
  ];
}
