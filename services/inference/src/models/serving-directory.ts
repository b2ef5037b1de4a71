import type { DeploymentDefinition, ExperimentDefinition } from '../domain/deployment/definitions.js';
import { referencesOf } from '../domain/deployment/definitions.js';
import { Refusal } from '../domain/refusal.js';
import { latestVersion, parseModelReference, resolveModel, type Resolved } from '../domain/registry/model-reference.js';
import type { Directory, Served } from '../gateway/gateway.js';
import type { RolloutsInForce } from '../rollouts/rollouts-in-force.js';
import type { ModelHost, Slot } from './model-host.js';
import type { ServingPolicies } from './serving-policies.js';

export interface ServingDirectoryOptions {
  readonly host: ModelHost;
  /** A registry subject's state at this reader's position. */
  readonly registry: (subject: string) => unknown;
  /** References asked for by version or by a model's own name and kept loaded, at most; the longest unused goes first. */
  readonly maxOnDemand: number;
  /** How long a request that asks for a version not loaded yet waits for it. */
  readonly loadWaitMs: number;
  readonly rollouts: RolloutsInForce;
  /** What policies let be served. */
  readonly policies: Pick<ServingPolicies, 'admits' | 'hold'>;
  /** Resolves when what is on the logs of the registry and of the resources now is known here; rejects when that takes longer. */
  readonly caughtUp: (deadlineMs: number) => Promise<unknown>;
}

/** What stands behind a name that was asked for. */
interface Known {
  readonly deployment: DeploymentDefinition | undefined;
  readonly reference: string;
}

/** What is served under which name: the deployments, and every registered model under its own. */
export class ServingDirectory implements Directory {
  readonly #options: ServingDirectoryOptions;
  #deployments: ReadonlyMap<string, DeploymentDefinition> = new Map();
  #experiments: ReadonlyMap<string, ExperimentDefinition> = new Map();
  /** Deployments whose model is another than before and not loaded yet -> the one that answers until it is. */
  readonly #kept = new Map<string, string>();
  /** In the order of use, the most recent last. */
  readonly #onDemand = new Set<string>();
  /** Of these, what requests wait for, and how many do: others make no room by pushing it out. */
  readonly #awaited = new Map<string, number>();

  constructor(options: ServingDirectoryOptions) {
    this.#options = options;
  }

  /** Takes the definitions as they are now. */
  define(deployments: readonly DeploymentDefinition[], experiments: readonly ExperimentDefinition[]): void {
    const before = this.#deployments;
    this.#deployments = new Map(deployments.map((deployment) => [deployment.name, deployment]));
    for (const { name, model } of deployments) {
      const old = before.get(name)?.model;
      // Of several changes none of which could be loaded, the first was from what serves.
      if (old !== undefined && old !== model && this.#slotOf(old)?.current) this.#kept.set(name, old);
    }
    this.#experiments = new Map(experiments.map((experiment) => [experiment.name, experiment]));
    this.refresh();
  }

  /** Looks at every reference again: the registry or a policy has changed. */
  refresh(): void {
    for (const name of this.#kept.keys()) {
      const model = this.#deployments.get(name)?.model;
      if (model === undefined || this.#slotOf(model)?.current) this.#kept.delete(name);
    }
    const wanted = referencesOf(this.#deployments.values(), (name) => this.#experiments.get(name));
    for (const reference of [...this.#onDemand, ...this.#kept.values(), ...this.#options.rollouts.references()]) wanted.add(reference);
    this.#options.host.want(wanted);
  }

  /** A reference is served by another version: what answered in its stead until then is not needed any more. */
  swapped(): void {
    if (this.#kept.size > 0) this.refresh();
  }

  deployments(): readonly DeploymentDefinition[] {
    return [...this.#deployments.values()];
  }

  /**
   * What a deployment serves now: the candidate that a rollout has promoted, or its own model. What is not loaded here leaves the answer to the
   * next of them that is; where none is, it is the first that is waited for.
   */
  referenceOf({ name, model }: DeploymentDefinition): string {
    const promoted = this.#options.rollouts.promoted(name);
    for (const reference of promoted) if (this.#slotOf(reference)?.current) return reference;
    if (this.#slotOf(model)?.current) {
      // One that had to make room comes back; nobody waits for it.
      for (const reference of promoted) if (this.#slotOf(reference)?.unloaded !== undefined) void this.#load(reference, 0);
      return model;
    }
    const kept = this.#kept.get(name);
    if (kept !== undefined && this.#slotOf(kept)?.current) return kept;
    return promoted[0] ?? model;
  }

  splitOf({ name, experiment }: DeploymentDefinition): ExperimentDefinition | undefined {
    return experiment === undefined ? this.#options.rollouts.splitOf(name) : this.#experiments.get(experiment);
  }

  async find(name: string, version: string | undefined, waitMs = this.#options.loadWaitMs): Promise<Served> {
    const bound = waitMs > 0 ? waitMs : this.#options.loadWaitMs;
    const asked = performance.now();
    const { deployment, reference } = this.#known(name, version) ?? (await this.#soonKnown(name, version, bound));
    if (!this.#slotOf(reference)?.current) {
      // What was waited for the name is not waited again for its model.
      const left = Math.max(0, bound - (performance.now() - asked));
      if (!deployment || version !== undefined) await this.#loadOnDemand(reference, left);
      else if (waitMs > 0) await this.#load(reference, left);
    }
    return { deployment, slotOf: this.#slotOf, load: this.#load, reference };
  }

  /** A version of a registered model; {@link find} takes the name for a deployment's where there is one that is called as the model. */
  async findVersion(model: string, version: number): Promise<Served> {
    const { loadWaitMs, caughtUp } = this.#options;
    const asked = String(version);
    if (!this.#resolved(model, asked)?.ok) await caughtUp(loadWaitMs).catch(() => undefined);
    if (!this.#resolved(model, asked)?.ok) throw this.#unknown(model, model, asked);
    const reference = this.#wanted(`models:/${model}/${asked}`);
    if (!this.#slotOf(reference)?.current) await this.#loadOnDemand(reference, loadWaitMs);
    return { deployment: undefined, slotOf: this.#slotOf, load: this.#load, reference };
  }

  /** As {@link findVersion}, of any version there is: what it takes to check one before it is admitted to serving. */
  async findToTry(model: string, version: string): Promise<Served> {
    const { loadWaitMs, caughtUp, registry } = this.#options;
    const isThere = (): boolean => VERSION.test(version) && resolveModel({ name: model, version: Number(version) }, registry).ok;
    if (!isThere()) await caughtUp(loadWaitMs).catch(() => undefined);
    if (!isThere()) throw this.#unknown(model, model, version);
    const reference = this.#wanted(`${TRIAL}models:/${model}/${version}`);
    if (!this.#slotOf(reference)?.current) await this.#loadOnDemand(reference, loadWaitMs);
    return { deployment: undefined, slotOf: this.#slotOf, load: this.#load, reference };
  }

  #known(name: string, version: string | undefined): Known | undefined {
    const deployment = this.#deployments.get(name);
    if (deployment && version === undefined) return { deployment, reference: this.referenceOf(deployment) };
    const model = deployment ? (parseModelReference(this.referenceOf(deployment))?.name ?? name) : name;
    const resolved = this.#resolved(model, version);
    return resolved?.ok ? { deployment, reference: this.#wanted(`models:/${model}/${resolved.version.version}`) } : undefined;
  }

  /** What is not known may have been registered or applied a moment ago: only what the logs do not have is said not to be there. */
  async #soonKnown(name: string, version: string | undefined, longestMs: number): Promise<Known> {
    const { loadWaitMs, caughtUp } = this.#options;
    // What is no number is no version, whatever the logs say.
    const isNumber = version === undefined || VERSION.test(version);
    const isCaughtUp = !isNumber || (await succeeds(caughtUp(Math.min(longestMs, loadWaitMs))));
    const known = this.#known(name, version);
    if (known) return known;
    const deployment = this.#deployments.get(name);
    const model = deployment ? (parseModelReference(this.referenceOf(deployment))?.name ?? name) : name;
    const isNotAdmitted = isNumber && isRefused(this.#resolved(model, version));
    if (!isCaughtUp && !isNotAdmitted) {
      const label = version === undefined ? JSON.stringify(name) : `version ${version} of ${JSON.stringify(name)}`;
      const message = `${label} is not known here, and what was registered and applied last could not be read in time; try again in a second`;
      throw new Refusal('MR_INFERENCE_LOADING', message);
    }
    throw this.#unknown(name, model, version);
  }

  readonly #slotOf = (reference: string): Slot | undefined => this.#options.host.slot(reference);

  readonly #load = async (reference: string, longestMs: number): Promise<void> => {
    if (!this.#slotOf(reference)?.current) await this.#options.host.demand(reference, Math.min(longestMs, this.#options.loadWaitMs));
  };

  /** As {@link #load}; while a request waits for it, it is not pushed out by others that are asked for. */
  async #loadOnDemand(reference: string, longestMs: number): Promise<void> {
    this.#awaited.set(reference, (this.#awaited.get(reference) ?? 0) + 1);
    try {
      await this.#load(reference, longestMs);
    } finally {
      const others = (this.#awaited.get(reference) ?? 1) - 1;
      if (others > 0) this.#awaited.set(reference, others);
      else this.#awaited.delete(reference);
      // It is used from now on; what waited longer than others may have left too many behind.
      if (this.#onDemand.delete(reference)) this.#onDemand.add(reference);
      if (this.#pushOut(reference)) this.refresh();
    }
  }

  /** Lets go of a reference that was asked for; what a deployment names stays. */
  release(reference: string): void {
    if (this.#onDemand.delete(reference)) this.refresh();
  }

  /** What a reference means now, where it may be served. */
  resolve(reference: string): Resolved {
    const isTrial = reference.startsWith(TRIAL);
    const parsed = parseModelReference(isTrial ? reference.slice(TRIAL.length) : reference);
    if (!parsed)
      return {
        ok: false,
        reason: `${JSON.stringify(reference)} is no model reference; expected models:/name@alias or models:/name/version`,
      };
    const resolved = resolveModel(parsed, this.#options.registry);
    return isTrial ? resolved : this.#options.policies.hold(resolved);
  }

  /** What is served under a registered model's own name. */
  latest(model: string): Resolved {
    const { registry, policies } = this.#options;
    return policies.hold(latestVersion(model, registry, (name, held) => policies.admits(name, held)));
  }

  /** The version asked for by its number, or the latest; `undefined` for a number that no version has. */
  #resolved(model: string, version: string | undefined): Resolved | undefined {
    const { registry, policies } = this.#options;
    if (version === undefined) return this.latest(model);
    return VERSION.test(version) ? policies.hold(resolveModel({ name: model, version: Number(version) }, registry)) : undefined;
  }

  #unknown(asked: string, model: string, version: string | undefined): Refusal {
    if (version !== undefined && !VERSION.test(version)) {
      const message = `model ${JSON.stringify(asked)} has no version ${JSON.stringify(version)}; versions are numbers from 1`;
      return new Refusal('MR_INFERENCE_UNKNOWN_VERSION', message);
    }
    const resolved = this.#resolved(model, version);
    if (resolved?.ok === false && resolved.isNotAdmitted) return new Refusal('MR_INFERENCE_NOT_ADMITTED', resolved.reason);
    const isKnown = latestVersion(model, this.#options.registry).ok;
    if (isKnown && resolved?.ok === false) return new Refusal('MR_INFERENCE_UNKNOWN_VERSION', resolved.reason);
    return new Refusal(
      'MR_INFERENCE_UNKNOWN_MODEL',
      `there is no deployment ${JSON.stringify(asked)} and no registered model of that name with a version`,
    );
  }

  /** The reference, wanted from now on. */
  #wanted(reference: string): string {
    const isWanted = this.#options.host.slot(reference) !== undefined;
    this.#onDemand.delete(reference);
    this.#onDemand.add(reference);
    this.#pushOut(reference);
    if (!isWanted) this.refresh();
    return reference;
  }

  /** Lets go of the longest unused where there are too many, but of none that somebody waits for. Returns whether it let any go. */
  #pushOut(used: string): boolean {
    const before = this.#onDemand.size;
    for (const reference of this.#onDemand) {
      if (this.#onDemand.size <= this.#options.maxOnDemand) break;
      if (reference !== used && !this.#awaited.has(reference)) this.#onDemand.delete(reference);
    }
    return this.#onDemand.size < before;
  }
}

/** Before the reference of a version that is loaded to be tried, admitted to serving or not. */
const TRIAL = 'trial:';
const VERSION = /^[1-9]\d{0,8}$/;

function isRefused(resolved: Resolved | undefined): boolean {
  return resolved?.ok === false && resolved.isNotAdmitted === true;
}

function succeeds(done: Promise<unknown>): Promise<boolean> {
  return done.then(
    () => true,
    () => false,
  );
}
