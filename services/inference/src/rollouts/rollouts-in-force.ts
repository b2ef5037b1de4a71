import type { ExperimentDefinition } from '../domain/deployment/definitions.js';
import { isActive, referenceOfArm, type RolloutState } from '../domain/rollout/rollout.decider.js';
import type { RolloutPlan } from '../domain/rollout/rollout.events.js';

/** A rollout that has requests of a deployment copied to its candidate. */
export interface MirrorTarget {
  readonly rollout: string;
  readonly run: number;
  readonly candidate: string;
  /** Of the requests, 0 to 1. */
  readonly share: number;
}

interface InForce {
  readonly name: string;
  readonly state: RolloutState;
  readonly plan: RolloutPlan;
  /** Reference of the candidate: of the version it was when the run began. */
  readonly candidate: string;
}

const NONE: readonly string[] = [];

/** What the rollouts, as decided so far, mean for the requests of each deployment. A decision that was folded holds for the next request. */
export class RolloutsInForce {
  readonly #states = new Map<string, InForce>();
  readonly #splits = new Map<string, ExperimentDefinition>();
  readonly #promoted = new Map<string, string[]>();
  readonly #mirrors = new Map<string, MirrorTarget>();

  /** Takes a rollout as it is now. */
  set(name: string, state: RolloutState): void {
    if (state.plan && (isActive(state) || state.status === 'promoted'))
      this.#states.set(name, { name, state, plan: state.plan, candidate: candidateOf(state) as string });
    else this.#states.delete(name);
    this.#splits.clear();
    this.#promoted.clear();
    this.#mirrors.clear();
    const all = [...this.#states.values()];
    for (const { plan, candidate } of this.#inPromotion())
      this.#promoted.set(plan.deployment, [...this.promoted(plan.deployment), candidate]);
    // Two that began at once on one deployment: the first by name runs, on every replica.
    for (const one of all.filter(({ state: active }) => isActive(active)).sort((a, b) => (a.name < b.name ? 1 : -1))) this.#force(one);
  }

  /** How a deployment's units are split now; `undefined`: they are not. */
  splitOf(deployment: string): ExperimentDefinition | undefined {
    return this.#splits.get(deployment);
  }

  /** The models that have taken the place of the deployment's own, the latest first. */
  promoted(deployment: string): readonly string[] {
    return this.#promoted.get(deployment) ?? NONE;
  }

  /** The latest of them but for a rollout's own: what it compares its candidate with, also when it begins anew after its promotion. */
  promotedBeside(rollout: string, deployment: string): string | undefined {
    return this.#inPromotion().find(({ name, plan }) => name !== rollout && plan.deployment === deployment)?.candidate;
  }

  /** The rollout whose candidate was promoted last on a deployment: it answers, where it can. */
  latestPromoted(deployment: string): string | undefined {
    return this.#inPromotion().find(({ plan }) => plan.deployment === deployment)?.name;
  }

  #inPromotion(): InForce[] {
    return [...this.#states.values()]
      .filter(({ state }) => state.status === 'promoted')
      .sort((a, b) => b.state.stepSince - a.state.stepSince);
  }

  /** Run and step that a rollout is in: what each shows counts for itself. */
  episodeOf(name: string): string | undefined {
    const active = this.#states.get(name);
    return active && `${active.state.run}/${active.state.step}`;
  }

  mirrorOf(deployment: string): MirrorTarget | undefined {
    return this.#mirrors.get(deployment);
  }

  /** Every model that may have to answer at once. */
  references(): string[] {
    return [...this.#states.values()].map(({ candidate }) => candidate);
  }

  /** Which rollout is under way on a deployment. */
  activeOn(deployment: string): string | undefined {
    return [...this.#states.values()]
      .filter(({ state, plan }) => isActive(state) && plan.deployment === deployment)
      .map(({ name }) => name)
      .sort()[0];
  }

  #force({ name, state, plan, candidate }: InForce): void {
    const { deployment, mirror, salt, unit, fallback } = plan;
    this.#splits.delete(deployment);
    this.#mirrors.delete(deployment);
    if (state.share > 0) {
      // The candidate first: when its share grows, units move only from the primary to it.
      const variants = [
        { name: 'candidate', weight: state.share, model: candidate },
        { name: 'primary', weight: 1 - state.share, model: undefined },
      ];
      this.#splits.set(deployment, {
        name,
        salt,
        traffic: 1,
        unit: unit ?? undefined,
        variants,
        isRollout: true,
        fallsBack: fallback === 'primary',
      });
    } else if (mirror > 0) this.#mirrors.set(deployment, { rollout: name, run: state.run, candidate, share: mirror });
  }
}

/** Reference of the version that a rollout's run is about; as the resource has it where the run does not say. */
export function candidateOf({ plan, arms }: Pick<RolloutState, 'plan' | 'arms'>): string | undefined {
  return arms ? referenceOfArm(arms.candidate) : plan?.candidate;
}
