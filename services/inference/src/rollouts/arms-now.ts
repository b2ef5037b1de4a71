import type { ResourceCatalog } from '@millrace/resources';
import type { Resolved } from '../domain/registry/model-reference.js';
import { areSameArms, type RolloutState } from '../domain/rollout/rollout.decider.js';
import type { Arms, RolloutPlan } from '../domain/rollout/rollout.events.js';
import type { Slot } from '../models/model-host.js';
import { outputDifference } from '../models/output-difference.js';
import { candidateOf, type RolloutsInForce } from './rollouts-in-force.js';

export interface ArmsNowOptions {
  readonly inForce: Pick<RolloutsInForce, 'promotedBeside'>;
  readonly catalog: Pick<ResourceCatalog, 'get'>;
  /** Finds what a reference means now. */
  readonly resolve: (reference: string) => Resolved;
  readonly slotOf: (reference: string) => Slot | undefined;
  /** Loads a reference, others making room, and waits for it as long as a request would. */
  readonly load: (reference: string) => Promise<void>;
  /** Resolves when all that is on the log of the registry and of the resources is folded. */
  readonly barrier: () => Promise<void>;
}

export type FoundArms = { readonly ok: true; readonly arms: Arms } | { readonly ok: false; readonly reason: string };

/** What a rollout compares as things stand now, and whether its candidate can answer in this process. */
export class ArmsNow {
  constructor(private readonly options: ArmsNowOptions) {}

  /** As far as this process has read; after `barrier`, as of then. */
  of(name: string, { deployment, candidate }: Pick<RolloutPlan, 'deployment' | 'candidate'>): FoundArms {
    const { resolve } = this.options;
    const served = this.#servedBeside(name, deployment);
    if (served === undefined) return { ok: false, reason: `Deployment ${deployment}, which does not exist` };
    const primary = resolve(served);
    if (!primary.ok) return { ok: false, reason: `the model of Deployment ${deployment}: ${primary.reason}` };
    const resolved = resolve(candidate);
    if (!resolved.ok) return { ok: false, reason: `candidate ${candidate}: ${resolved.reason}` };
    return { ok: true, arms: { primary: armOf(primary.version), candidate: armOf(resolved.version) } };
  }

  /** Whether the references mean other versions than a run compares. One that does not know compares what they mean. */
  areOthers(name: string, { plan, arms }: RolloutState): boolean {
    const now = plan && arms ? this.of(name, plan) : undefined;
    return now?.ok === true && !areSameArms(now.arms, arms as Arms);
  }

  /** Why the candidate of a run could not answer in the primary's stead; `undefined` when it can. One that only made room for others can. */
  problem(name: string, state: RolloutState): string | undefined {
    const { slotOf } = this.options;
    const { plan } = state;
    const reference = candidateOf(state);
    if (!plan || reference === undefined) return undefined;
    const now = this.of(name, plan);
    if (!now.ok) return now.reason;
    const slot = slotOf(reference);
    if (!slot?.current) return unloadedProblem(reference, slot);
    const primary = slotOf(this.#servedBeside(name, plan.deployment) ?? '')?.current;
    const difference = primary && outputDifference(primary, slot.current);
    return difference === undefined ? undefined : `candidate ${reference}: ${difference}`;
  }

  /** Why the candidate of a rollout that was promoted does not answer, and what served before does; `undefined` when it can. */
  promotedProblem(state: RolloutState): string | undefined {
    const { resolve, slotOf } = this.options;
    const reference = candidateOf(state);
    if (reference === undefined) return undefined;
    const resolved = resolve(reference);
    const slot = slotOf(reference);
    if (resolved.ok && slot?.current) return undefined;
    const problem = resolved.ok ? unloadedProblem(reference, slot) : `candidate ${reference}: ${resolved.reason}`;
    return problem && `${problem}; what served before it answers`;
  }

  /** As {@link problem}, after trying: a candidate that has made room for others is loaded first. */
  async problemAfterLoading(name: string, state: RolloutState): Promise<string | undefined> {
    const { barrier, load, slotOf } = this.options;
    await barrier();
    const reference = candidateOf(state);
    if (reference !== undefined) await load(reference);
    if (this.areOthers(name, state))
      return 'its models are other versions by now, of which this run says nothing; it begins anew as soon as it is not paused';
    const slot = reference === undefined ? undefined : slotOf(reference);
    return this.problem(name, state) ?? (slot?.current ? undefined : `candidate ${reference}: ${slot?.unloaded ?? 'it is not loaded'}`);
  }

  /** What a deployment serves but for this rollout. */
  #servedBeside(name: string, deployment: string): string | undefined {
    const { inForce, catalog } = this.options;
    const own = catalog.get('Deployment', deployment)?.spec.model;
    return own === undefined ? undefined : (inForce.promotedBeside(name, deployment) ?? own);
  }

  barrier(): Promise<void> {
    return this.options.barrier();
  }
}

/** Of a candidate that is not loaded: one that only made room for others can be. */
function unloadedProblem(reference: string, slot: Slot | undefined): string | undefined {
  if (slot?.failure !== undefined && !slot.isLoading) return `candidate ${reference}: ${slot.failure}`;
  return slot?.unloaded === undefined || slot.isLoading ? `candidate ${reference}, which is being loaded` : undefined;
}

function armOf({ name, version }: { readonly name: string; readonly version: number }): Arms['primary'] {
  return { model: name, version };
}
