import type { Resource } from '@millrace/resources';
import { awaited, isActive, type RolloutState } from '../domain/rollout/rollout.decider.js';
import type { Evidence, RolloutPlan } from '../domain/rollout/rollout.events.js';
import type { ArmsNow } from './arms-now.js';
import { judgeGates } from './judge-gates.js';
import { rewardsMissing } from './rewards.js';
import type { RolloutFollower } from './rollout-follower.js';
import { planOf } from './rollout-plan.js';
import type { RolloutsInForce } from './rollouts-in-force.js';

/** A rollout that a person asks about or acts on. */
export interface RolloutView {
  readonly name: string;
  readonly state: RolloutState;
  /** Of the definition that it runs by, or will when it begins. */
  readonly version: number;
  /** What it follows, or will when it begins. */
  readonly plan: RolloutPlan | null;
  /** The gates as this process would judge them now; the last decision's otherwise. */
  readonly evidence: Evidence | null;
  /**
   * Why it has not begun, all that a run under way waits for as things stand here, or why its promoted candidate does not answer; null where it waits for
   * nothing.
   */
  readonly waitsFor: string | null;
}

/** What a view is made of. */
export interface ViewedRollout {
  readonly name: string;
  readonly state: RolloutState;
  readonly resource: Resource<'Rollout'> | undefined;
  /** Of the run under way, where this process folds its facts. */
  readonly follower: RolloutFollower | undefined;
  /** What keeps the resource's next run from beginning; undefined where nothing does. */
  readonly obstacle: string | undefined;
  /** What keeps the run under way from more traffic, whatever its gates say. */
  readonly obstacles: readonly string[];
  readonly now: number;
}

interface ServedNow {
  readonly arms: Pick<ArmsNow, 'promotedProblem'>;
  readonly inForce: Pick<RolloutsInForce, 'latestPromoted'>;
}

/** One rollout as things stand in this process. */
export function viewOf(viewed: ViewedRollout, served: ServedNow): RolloutView {
  const { name, state, resource } = viewed;
  const evidence = evidenceOf(viewed);
  const plan = state.plan ?? (resource ? planOf(name, resource.spec) : null);
  const version = state.run === 0 ? (resource?.version ?? 0) : state.version;
  return { name, state, version, plan, evidence: evidence ?? state.evidence, waitsFor: waitsFor(viewed, evidence, served) };
}

/** The gates of the run under way as this process would judge them now; null where it folds none. */
export function evidenceOf({ state, follower }: Pick<ViewedRollout, 'state' | 'follower'>): Evidence | null {
  if (!follower || follower.run !== state.run || !isActive(state)) return null;
  return judgeGates(state.plan as RolloutPlan, follower.whole, follower.step);
}

function waitsFor(viewed: ViewedRollout, evidence: Evidence | null, { arms, inForce }: ServedNow): string | null {
  const { name, state, resource, follower, obstacle, obstacles, now } = viewed;
  if (!resource) return null;
  if (resource.version > state.version || state.status === 'withdrawn') {
    const what = obstacle ?? 'this process to begin it';
    return state.run === 0 ? what : `${what}; version ${resource.version} of it begins then`;
  }
  if (state.status === 'promoted') return arms.promotedProblem(state) ?? supersededBy(name, state, inForce);
  if (!evidence || !follower) return null;
  const labels = unfitLabels(follower.whole);
  const missing = labels === undefined ? rewardsMissing(state, follower.whole) : [labels];
  const all = awaited(state, evidence, [...obstacles, ...missing], now);
  return all.length === 0 ? null : all.join('; ');
}

function supersededBy(name: string, { plan }: RolloutState, inForce: ServedNow['inForce']): string | null {
  const latest = plan ? inForce.latestPromoted(plan.deployment) : undefined;
  return latest === undefined || latest === name ? null : `Rollout ${latest} was promoted after it and answers in its stead`;
}

/** What a gate or a reward waits for in vain, where labels came and none of them can be used. */
function unfitLabels({ labels }: RolloutFollower['whole']): string | undefined {
  for (const [name, count] of labels.unfit)
    if (!labels.totals.has(name))
      return `labels ${name} that are false, true or a number from 0 to 1; ${count} came that are not, and do not count`;
  return undefined;
}
