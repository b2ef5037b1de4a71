import {
  compileFeatureService,
  compileOnDemandView,
  compileView,
  parseFeatureReference,
  servedNames,
  type FeatureServiceDefinition,
  type OnDemandPlan,
  type ServedView,
  type ServicePlan,
  type ViewPlan,
} from '@millrace/feature-engine';
import { onDemandResources, parseVersionedName, serviceResources, viewResources, type ResourceCatalog } from '@millrace/resources';
import { ageless } from '../definitions/ageless.js';
import { LeftOut, type Recorded } from './left-out.js';
import type { ServedVector } from './served-vectors.js';

/** What served a vector, or why nobody can tell. */
export type ServedDefinition = { readonly plan: ServicePlan } | { readonly missing: string };

type Asked = Recorded & Pick<ServedVector, 'versions' | 'features' | 'isAgeless'>;

/**
 * The definitions that served vectors, whichever are applied now: a vector names the hash of each view it was computed by, and every version
 * that was ever applied is known from the log. Views have the names they had when they served. Compiles each definition once, so one is made for each verification.
 */
export class ServedDefinitions {
  readonly #catalog: ResourceCatalog;
  readonly #found = new Map<string, ServedDefinition>();
  /** By the name it served under and the version it was taken from. */
  readonly #views = new Map<string, ViewPlan | undefined>();

  constructor(
    catalog: ResourceCatalog,
    private readonly leftOut: Pick<LeftOut, 'of'> = new LeftOut(catalog),
  ) {
    this.#catalog = catalog;
  }

  /** One and the same object for all vectors that were served alike. */
  of(vector: Asked): ServedDefinition {
    const { servedFor, featureService, versions, features, isAgeless, deployment } = vector;
    const leaver = this.leftOut.of(vector).isNothing ? '' : `${servedFor ?? ''} ${deployment}`;
    const key = JSON.stringify([featureService, versions, Object.keys(features), isAgeless, leaver]);
    let found = this.#found.get(key);
    if (!found) this.#found.set(key, (found = this.#asServed(vector)));
    return found;
  }

  #asServed(vector: Asked): ServedDefinition {
    const found = this.#find(vector);
    return vector.isAgeless && 'plan' in found ? { plan: ageless(found.plan) } : found;
  }

  #find(vector: Asked): ServedDefinition {
    const { featureService, versions, features } = vector;
    const services = this.#services(featureService);
    if (services.length === 0) return { missing: `feature service ${featureService} is not in the log` };
    const unknown = Object.entries(versions).find(([view, version]) => !this.#servedView(view, version, versions));
    if (unknown) return { missing: `the definition by which feature view ${unknown[0]} was served is not in the log` };
    const plans = services.flatMap((service) => this.#compileService(service, versions) ?? []);
    const leftOut = this.leftOut.of(vector);
    const isKept = (name: string): boolean => !leftOut.has(name);
    const recorded = Object.keys(features);
    // With a name that may be left out it is of a time before that, and whole.
    const whole = recorded.every(isKept) ? [] : plans.filter((plan) => sameNames(namesOf(plan), recorded));
    const served = recorded.filter(isKept);
    const named = whole.length > 0 ? whole : plans.filter((plan) => sameNames(namesOf(plan).filter(isKept), served));
    // Where a name is missing in the vector, or is one too many, that has to come out as a difference.
    const [plan, ...others] = named.length > 0 ? named : plans.slice(0, 1);
    if (!plan) return { missing: `no version of feature service ${featureService} in the log has the views that were served` };
    if (others.some((other) => meaningOf(other) !== meaningOf(plan)))
      return { missing: `two versions of feature service ${featureService} could have served it, by other features of the same names` };
    return { plan };
  }

  /** The versions of a service, the newest first; of a pinned one that version alone. */
  #services(reference: string): FeatureServiceDefinition[] {
    const { name, version } = parseVersionedName(reference);
    const pinned = version === undefined ? undefined : serviceResources(this.#catalog, reference);
    if (version !== undefined) return pinned ? [pinned] : [];
    const distinct = new Map<string, FeatureServiceDefinition>();
    for (const { spec } of this.#catalog.versions('FeatureService', name)) {
      const { features, request } = spec;
      const text = JSON.stringify([features, request]);
      if (!distinct.has(text)) distinct.set(text, { name, features, request });
    }
    return [...distinct.values()];
  }

  /** The service over the views a vector names; `undefined` when it would have read others. */
  #compileService(definition: FeatureServiceDefinition, versions: ServedVector['versions']): ServicePlan | undefined {
    const views = new Map<string, ServedView>();
    for (const reference of definition.features) {
      const { view } = parseFeatureReference(reference);
      const version = versions[view];
      const plan = version === undefined ? undefined : (views.get(view) ?? this.#servedView(view, version, versions));
      if (!plan) return undefined;
      views.set(view, plan);
    }
    const plan = compiled(() => compileFeatureService(definition, views));
    const read = plan && [...plan.views, ...plan.onDemand];
    const isSame = read?.length === Object.keys(versions).length && read.every((view) => versions[view.name] === view.version);
    return isSame ? plan : undefined;
  }

  #servedView(reference: string, version: string, versions: ServedVector['versions']): ServedView | undefined {
    return this.#view(reference, version) ?? this.#onDemandView(reference, version, versions);
  }

  #view(reference: string, version: string): ViewPlan | undefined {
    for (const candidate of this.#candidates(reference)) {
      const plan = this.#compileView(reference, candidate);
      if (plan?.version === version) return plan;
    }
    return undefined;
  }

  /** Its hash holds those of all its inputs, also of the ones that nobody asked for and no vector names: these are as its version had them. */
  #onDemandView(reference: string, version: string, versions: ServedVector['versions']): OnDemandPlan | undefined {
    for (const candidate of this.#candidates(reference)) {
      const found = onDemandResources(this.#catalog, candidate);
      if (!found) continue;
      // A version that was served under its bare name read what it names, whatever the version is pinned to.
      const { pins = {}, ...bare } = found;
      const definition = candidate === reference ? found : { ...bare, name: reference };
      const plan = compiled(() =>
        compileOnDemandView(definition, (input) => {
          const served = versions[input];
          if (served !== undefined) return this.#view(input, served);
          return this.#compileView(input, pins[input] ?? input);
        }),
      );
      if (plan?.version === version) return plan;
    }
    return undefined;
  }

  /** References under which the definition may be found that served as `reference`. */
  #candidates(reference: string): string[] {
    const { name, version } = parseVersionedName(reference);
    if (version !== undefined) return [reference];
    return [reference, ...this.#catalog.versions('FeatureView', name).map((one) => `${name}@${one.version}`)];
  }

  #compileView(reference: string, candidate: string): ViewPlan | undefined {
    const key = `${reference} ${candidate}`;
    if (this.#views.has(key)) return this.#views.get(key);
    const found = viewResources(this.#catalog, candidate);
    const plan = found && compiled(() => compileView({ ...found.view, name: reference }, found.entity, found.source));
    this.#views.set(key, plan);
    return plan;
  }
}

/** A definition that cannot be compiled served nobody. */
function compiled<T>(compile: () => T): T | undefined {
  try {
    return compile();
  } catch (error) {
    if ((error as { code?: unknown }).code === 'MR_FEATURES_DEFINITION') return undefined;
    throw error;
  }
}

function namesOf(plan: ServicePlan): string[] {
  return servedNames(plan.features.map(({ view, name }) => ({ view: view.name, name })));
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name));
}

/** What each name of a vector stands for. */
function meaningOf(plan: ServicePlan): string {
  const names = namesOf(plan);
  return JSON.stringify(plan.features.map(({ view, name }, index) => [names[index], view.name, name]).sort());
}
