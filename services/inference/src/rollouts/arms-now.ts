import type { ResourceCatalog } from '@millrace/resources';
import type { Resolved } from '../domain/registry/model-reference.js';
import { areSameArms, type RolloutState } from '../domain/rollout/rollout.decider.js';
import type { Arms, RolloutPlan } from '../domain/rollout/rollout.events.js';
import type { Slot } from '../models/model-host.js';
import { outputDifference } from '../models/output-difference.js';
import { candidateOf, type RolloutsInForce } from './rollouts-in-force.js';

export interface ArmsNowOptions {
  readonly inForce: Pick<RolloutsInForce, 'promoted'>;
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
  of({ deployment, candidate }: Pick<RolloutPlan, 'deployment' | 'candidate'>): FoundArms {
    const { inForce, catalog, resolve } = this.options;
    const own = catalog.get('Deployment', deployment)?.spec.model;
    if (own === undefined) return { ok: false, reason: `Deployment ${deployment}, which does not exist` };
    const primary = resolve(inForce.promoted(deployment)[0] ?? own);
    if (!primary.ok) return { ok: false, reason: `the model of Deployment ${deployment}: ${primary.reason}` };
    const resolved = resolve(candidate);
    if (!resolved.ok) return { ok: false, reason: `candidate ${candidate}: ${resolved.reason}` };
    return { ok: true, arms: { primary: armOf(primary.version), candidate: armOf(resolved.version) } };
  }

  /** Whether the references mean other versions than a run compares. One that does not know compares what they mean. */
  areOthers({ plan, arms }: RolloutState): boolean {
    const now = plan && arms ? this.of(plan) : undefined;
    return now?.ok === true && !areSameArms(now.arms, arms as Arms);
  }

  /** Why the candidate of a run could not answer in the primary's stead; `undefined` when it can. One that only made room for others can. */
  problem(state: RolloutState): string | undefined {
    const { slotOf, inForce, catalog } = this.options;
    const { plan } = state;
    const reference = candidateOf(state);
    if (!plan || reference === undefined) return undefined;
    const now = this.of(plan);
    if (!now.ok) return now.reason;
    const slot = slotOf(reference);
    if (!slot?.current) {
      if (slot?.failure !== undefined && !slot.isLoading) return `candidate ${reference}: ${slot.failure}`;
      return slot?.unloaded === undefined || slot.isLoading ? `candidate ${reference}, which is being loaded` : undefined;
    }
    const served = inForce.promoted(plan.deployment)[0] ?? catalog.get('Deployment', plan.deployment)?.spec.model ?? '';
    const primary = slotOf(served)?.current;
    const difference = primary && outputDifference(primary, slot.current);
    return difference === undefined ? undefined : `candidate ${reference}: ${difference}`;
  }

  /** As {@link problem}, after trying: a candidate that has made room for others is loaded first. */
  async problemAfterLoading(state: RolloutState): Promise<string | undefined> {
    const { barrier, load, slotOf } = this.options;
    await barrier();
    const reference = candidateOf(state);
    if (reference !== undefined) await load(reference);
    if (this.areOthers(state))
      return 'its models are other versions by now, of which this run says nothing; it begins anew as soon as it is not paused';
    const slot = reference === undefined ? undefined : slotOf(reference);
    return this.problem(state) ?? (slot?.current ? undefined : `candidate ${reference}: ${slot?.unloaded ?? 'it is not loaded'}`);
  }

  barrier(): Promise<void> {
    return this.options.barrier();
  }
}

function armOf({ name, version }: { readonly name: string; readonly version: number }): Arms['primary'] {
  return { model: name, version };
}
