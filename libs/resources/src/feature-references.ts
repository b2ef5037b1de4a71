import { parseFeatureReference, type OnDemandViewDefinition } from '@millrace/feature-engine';
import { isOnDemandSpec, type Kind, type Resource, type ResourceSpecs, type StoredViewSpec } from './resource.js';
import type { ResourceCatalog } from './resource-catalog.js';
import { sourceDefinition } from './source-definition.js';

/** A name, with the version it is pinned to: `origin_delays`, `origin_delays@2`. */
export interface VersionedName {
  readonly name: string;
  readonly version: number | undefined;
}

export interface FeatureReference extends VersionedName {
  /** All features of the view when absent. */
  readonly feature: string | undefined;
}

export function parseVersionedName(text: string): VersionedName {
  const match = /^(.*)@([1-9]\d*)$/.exec(text);
  return match ? { name: match[1] as string, version: Number(match[2]) } : { name: text, version: undefined };
}

/** Reads `view`, `view:feature`, `view@2` or `view@2:feature`. */
export function parseReference(text: string): FeatureReference {
  const { view, feature } = parseFeatureReference(text);
  return { ...parseVersionedName(view), feature };
}

/** What a feature view is compiled from, whole. Its name is the reference it was asked by. */
export interface ViewResources {
  readonly view: { readonly name: string } & StoredViewSpec;
  readonly entity: { readonly name: string } & ResourceSpecs['Entity'];
  readonly source: ReturnType<typeof sourceDefinition>;
  readonly version: number;
}

type Catalog = Pick<ResourceCatalog, 'get'>;

/** The view that is applied now, or a version of it with the source and entity it had then; `undefined` for one computed on demand. */
export function viewResources(catalog: Catalog, reference: string): ViewResources | undefined {
  const { name, version } = parseVersionedName(reference);
  const view = catalog.get('FeatureView', name, version);
  if (!view || isOnDemandSpec(view.spec)) return undefined;
  const pins = version === undefined ? undefined : view.pins;
  const entity = pinned(catalog, 'Entity', view.spec.entity, pins);
  const source = pinned(catalog, 'Source', view.spec.source, pins);
  if (!entity || !source) return undefined;
  return {
    view: { name: reference, ...view.spec },
    entity: { name: entity.name, ...entity.spec },
    source: sourceDefinition(source.name, source.spec),
    version: view.version,
  };
}

/** A view computed on demand, as it is applied now, or a version of it over the views it read then; `undefined` for any other. */
export function onDemandResources(catalog: Catalog, reference: string): OnDemandViewDefinition | undefined {
  const { name, version } = parseVersionedName(reference);
  const view = catalog.get('FeatureView', name, version);
  if (!view || !isOnDemandSpec(view.spec)) return undefined;
  const { inputs, request, features } = view.spec;
  const pinned = version === undefined ? [] : (inputs ?? []).map((text) => parseFeatureReference(text).view);
  const pins = Object.fromEntries(pinned.map((text) => [text, withPin(text, view.pins)] as const).filter(([text, pin]) => pin !== text));
  return {
    name: reference,
    ...(inputs === undefined ? {} : { inputs }),
    ...(Object.keys(pins).length === 0 ? {} : { pins }),
    ...(request === undefined ? {} : { request }),
    features,
  };
}

/** The views that one computed on demand reads, by the names they are compiled by. */
export function inputViews({ inputs = [], pins = {} }: Pick<OnDemandViewDefinition, 'inputs' | 'pins'>): string[] {
  return [...new Set(inputs.map((text) => parseFeatureReference(text).view))].map((view) => pins[view] ?? view);
}

export interface ServiceResources {
  readonly name: string;
  /** References to views; of an old version of the service each with the version of its view. */
  readonly features: readonly string[];
  readonly request?: Readonly<Record<string, string>>;
  readonly version: number;
}

/** The service that is applied now, with the views as they are now, or a version of it with the views it had. */
export function serviceResources(catalog: Catalog, reference: string): ServiceResources | undefined {
  const { name, version } = parseVersionedName(reference);
  const service = catalog.get('FeatureService', name, version);
  if (!service) return undefined;
  const { features, request } = service.spec;
  const pins = version === undefined ? undefined : service.pins;
  return {
    name: reference,
    features: features.map((text) => withPin(text, pins)),
    ...(request === undefined ? {} : { request }),
    version: service.version,
  };
}

function pinned<K extends Kind>(catalog: Catalog, kind: K, name: string, pins: Resource['pins']): Resource<K> | undefined {
  const version = pins?.[`${kind}/${name}`];
  return (version === undefined ? undefined : catalog.get(kind, name, version)) ?? catalog.get(kind, name);
}

function withPin(text: string, pins: Resource['pins']): string {
  const { name, version, feature } = parseReference(text);
  const pin = version ?? pins?.[`FeatureView/${name}`];
  return `${name}${pin === undefined ? '' : `@${pin}`}${feature === undefined ? '' : `:${feature}`}`;
}
