import {
  compileFeatureService,
  compileOnDemandView,
  compileView,
  parseFeatureReference,
  type ServedView,
  type ServicePlan,
  type StandingStates,
  type ViewPlan,
} from '@millrace/feature-engine';
import { Fault, isFault, unlessFault } from '@millrace/kernel';
import { inputViews, onDemandResources, parseVersionedName, serviceResources, viewResources } from './feature-references.js';
import type { ResourceCatalog } from './resource-catalog.js';

type Catalog = Pick<ResourceCatalog, 'get' | 'versions'>;

/** What was compiled, or why it cannot be: a definition that is asked for with every request is looked at once. */
type Outcome<T> = { readonly plan: T | undefined } | { readonly fault: Fault };

/**
 * Feature definitions as online reads take them. A bare name is what is applied now, but for a view that was changed and whose new state is still being brought up:
 * it stands for the version that served before, and so does what is computed from it, until the online store notes the new state. Compiled
 * on demand and kept until {@link forget}.
 */
export class ServedFeatures {
  readonly #views = new Map<string, Outcome<ViewPlan>>();
  readonly #onDemand = new Map<string, Outcome<ServedView>>();
  readonly #services = new Map<string, Outcome<ServicePlan>>();
  readonly #held = new Map<string, number | undefined>();
  /** The versions that `#services` were compiled from. */
  readonly #serviceVersions = new Map<string, number>();

  constructor(
    private readonly catalog: Catalog,
    private readonly states: Pick<StandingStates, 'of'>,
  ) {}

  /** To be called when a definition or a standing state has changed. */
  forget(): void {
    for (const cache of [this.#views, this.#onDemand, this.#services, this.#held, this.#serviceVersions]) cache.clear();
  }

  /** The version that a view's name stands for while its newest is brought up; `undefined` when that is what it stands for. */
  heldVersion(name: string): number | undefined {
    if (!this.#held.has(name)) this.#held.set(name, this.#findHeld(name));
    return this.#held.get(name);
  }

  /** Whether a view's name stands for the state of what is applied. One that is not kept online has none to stand for. */
  isSettled(name: string): boolean {
    const newest = unlessFault(() => this.#compile(name, name));
    return !newest?.online || this.states.of(name)?.equals(newest.stateHash) === true;
  }

  /** Whether a state is, or was, that of the view's name, so that its versions say how it is read. */
  isKnown(name: string, state: Buffer): boolean {
    const { name: bare } = parseVersionedName(name);
    return [name, ...this.catalog.versions('FeatureView', bare).map(({ version }) => `${bare}@${version}`)].some(
      (reference) => unlessFault(() => this.#compile(reference, name))?.stateHash.equals(state) === true,
    );
  }

  /** A view as it is read, by a bare name or a version of it; throws `MR_FEATURES_DEFINITION` for one that cannot be compiled. */
  view(reference: string): ViewPlan | undefined {
    return remembered(this.#views, reference, () => {
      const held = parseVersionedName(reference).version === undefined ? this.heldVersion(reference) : undefined;
      return this.#compile(held === undefined ? reference : `${reference}@${held}`, reference);
    });
  }

  /** Whatever features can be asked of under this name; throws a retryable `MR_FEATURES_BEING_FILLED` for what needs a state that is not up. */
  servedView(reference: string): ServedView | undefined {
    const view = this.view(reference);
    if (view) return view;
    return remembered(this.#onDemand, reference, () => this.#newest('FeatureView', reference, (of) => this.#compute(of, reference)));
  }

  /** A feature service over what its views stand for; throws as {@link servedView} does. */
  service(reference: string): ServicePlan | undefined {
    return remembered(this.#services, reference, () => this.#newest('FeatureService', reference, (of) => this.#serve(of, reference)));
  }

  /** The version of a service that {@link service} gives. */
  serviceVersion(reference: string): number | undefined {
    return this.service(reference) && this.#serviceVersions.get(reference);
  }

  /**
   * What is applied; where that cannot be compiled over the versions that stand for changed views, the newest before it that can: what it asks
   * for may be a feature that only a new version has.
   */
  #newest<T>(kind: 'FeatureView' | 'FeatureService', reference: string, compile: (reference: string) => T | undefined): T | undefined {
    try {
      return compile(reference);
    } catch (error) {
      const { name, version } = parseVersionedName(reference);
      if (!isFault(error) || version !== undefined || !this.#restsOnHeld(kind, name)) throw error;
      for (const earlier of this.catalog.versions(kind, name).slice(1)) {
        const found = unlessFault(() => compile(`${name}@${earlier.version}`));
        if (found) return found;
      }
      const what = `${kind === 'FeatureService' ? 'feature service' : 'feature view'} ${name}`;
      throw new Fault(
        'MR_FEATURES_BEING_FILLED',
        `${what} needs a feature view that is still being filled (${error.message}); try again`,
        true,
      );
    }
  }

  #restsOnHeld(kind: 'FeatureView' | 'FeatureService', name: string): boolean {
    const read =
      kind === 'FeatureService'
        ? (serviceResources(this.catalog, name)?.features ?? []).map((text) => parseFeatureReference(text).view)
        : inputViews(onDemandResources(this.catalog, name) ?? {});
    return read.some((view) => this.heldVersion(view) !== undefined || this.#restsOnHeld('FeatureView', view));
  }

  #compile(reference: string, name: string): ViewPlan | undefined {
    const found = viewResources(this.catalog, reference);
    return found && compileView({ ...found.view, name }, found.entity, found.source);
  }

  /** An earlier version that serves under the bare name reads what it names, as it did. */
  #compute(reference: string, name: string): ServedView | undefined {
    const found = onDemandResources(this.catalog, reference);
    if (!found) return undefined;
    const { pins, ...bare } = found;
    const definition = reference === name && pins ? { ...bare, pins } : bare;
    return compileOnDemandView({ ...definition, name }, (input) => this.view(input));
  }

  #serve(reference: string, name: string): ServicePlan | undefined {
    const found = serviceResources(this.catalog, reference);
    if (!found) return undefined;
    const { name: bare, version } = parseVersionedName(reference);
    const features = reference === name ? found.features : (this.catalog.get('FeatureService', bare, version)?.spec.features ?? []);
    const views = new Map<string, ServedView>();
    for (const text of features) {
      const { view } = parseFeatureReference(text);
      const plan = this.servedView(view);
      if (!plan) return undefined;
      views.set(view, plan);
    }
    const plan = compileFeatureService({ name, features, ...(found.request ? { request: found.request } : {}) }, views);
    this.#serviceVersions.set(name, found.version);
    return plan;
  }

  #findHeld(name: string): number | undefined {
    const standing = this.states.of(name);
    const newest = standing && unlessFault(() => this.#compile(name, name));
    if (!standing || !newest?.online || newest.stateHash.equals(standing)) return undefined;
    for (const { version } of this.catalog.versions('FeatureView', name).slice(1)) {
      const plan = unlessFault(() => this.#compile(`${name}@${version}`, name));
      // On another topic nothing says how far the one has come beside the other.
      if (plan?.online && plan.stateHash.equals(standing)) return plan.source.topic === newest.source.topic ? version : undefined;
    }
    return undefined;
  }
}

function remembered<T>(outcomes: Map<string, Outcome<T>>, reference: string, compile: () => T | undefined): T | undefined {
  let outcome = outcomes.get(reference);
  if (!outcome) {
    try {
      outcome = { plan: compile() };
    } catch (error) {
      if (!isFault(error)) throw error;
      outcome = { fault: error };
    }
    outcomes.set(reference, outcome);
  }
  if ('fault' in outcome) throw outcome.fault;
  return outcome.plan;
}
