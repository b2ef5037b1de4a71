import type { AnyDecider, DecisionRecord, Event } from '@millrace/kernel';

/**
 * The gateway's own fold of the registry's decisions: just what it takes to turn `models:/name@alias` into an artifact. It reads the events
 * as `schemas/registry` publishes them and ignores those that say nothing about that.
 */
export interface CatalogState {
  readonly modelIds: Map<string, string>;
}

export interface ModelState {
  readonly versions: Map<number, VersionSource>;
  readonly aliases: Map<string, number>;
}

export interface VersionSource {
  /** Below the artifact store's root; `null` when the registry could not place it there. */
  readonly artifactPath: string | null;
  readonly source: string;
  readonly digest: string | null;
  /** The model's name when the version was registered; its manifest was signed under it. */
  readonly registeredAs: string;
  readonly signature?: VersionSignature;
  /** Every stage and alias it was ever moved to, as {@link stageKey} and {@link aliasKey} write them: what was admitted to serving once stays so. */
  readonly held: ReadonlySet<string>;
}

/** One version of a registered model and where its artifact lies. */
export interface RegisteredVersion extends VersionSource {
  readonly modelId: string;
  readonly name: string;
  readonly version: number;
}

export interface VersionSignature {
  readonly keyId: string;
  readonly manifestPath: string;
  readonly manifestDigest: string;
}

type CatalogEvent =
  | Event<'ModelRegistered', { readonly modelId: string; readonly name: string }>
  | Event<'ModelRenamed', { readonly modelId: string; readonly from: string; readonly to: string }>
  | Event<'ModelDeleted', { readonly modelId: string; readonly name: string }>
  | Event<'ModelDescribed' | 'ModelTagged' | 'ModelUntagged'>;

interface Registered {
  readonly version: number;
  readonly name: string;
  /** Of one that was brought from another server: the stage in which it begins. */
  readonly imported?: { readonly stage: string };
}

type ModelEvent =
  | Event<'VersionRegistered', Omit<VersionSource, 'registeredAs' | 'held'> & Registered>
  | Event<'VersionSigned', { readonly version: number; readonly signature: VersionSignature }>
  | Event<'VersionDeleted', { readonly version: number; readonly aliases: readonly string[] }>
  | Event<'AliasAssigned', { readonly alias: string; readonly version: number }>
  | Event<'AliasRemoved', { readonly alias: string; readonly version: number }>
  | Event<'VersionMoved', { readonly version: number; readonly to: string }>
  | Event<'VersionDescribed' | 'VersionTagged' | 'VersionUntagged'>;

export const CATALOG_SUBJECT = 'models/catalog';

export function modelSubject(modelId: string): string {
  return `model/${modelId}`;
}

/** A stage among what a version has held. */
export function stageKey(stage: string): string {
  return `stage:${stage}`;
}

/** An alias among what a version has held. */
export function aliasKey(alias: string): string {
  return `alias:${alias}`;
}

export function evolveCatalog(state: CatalogState, event: CatalogEvent): CatalogState {
  switch (event.type) {
    case 'ModelRegistered':
      state.modelIds.set(event.data.name, event.data.modelId);
      return state;
    case 'ModelRenamed':
      state.modelIds.delete(event.data.from);
      state.modelIds.set(event.data.to, event.data.modelId);
      return state;
    case 'ModelDeleted':
      state.modelIds.delete(event.data.name);
      return state;
    default:
      return state;
  }
}

export function evolveModel(state: ModelState, event: ModelEvent): ModelState {
  switch (event.type) {
    case 'VersionRegistered': {
      const { version, name, artifactPath, source, digest, signature, imported } = event.data;
      const held = new Set(imported ? [stageKey(imported.stage)] : []);
      state.versions.set(version, { artifactPath, source, digest, registeredAs: name, held, ...(signature ? { signature } : {}) });
      return state;
    }
    case 'VersionSigned': {
      const version = state.versions.get(event.data.version);
      if (version) state.versions.set(event.data.version, { ...version, signature: event.data.signature });
      return state;
    }
    case 'VersionDeleted':
      state.versions.delete(event.data.version);
      for (const alias of event.data.aliases) state.aliases.delete(alias);
      return state;
    case 'AliasAssigned':
      state.aliases.set(event.data.alias, event.data.version);
      return hold(state, event.data.version, aliasKey(event.data.alias));
    case 'VersionMoved':
      return hold(state, event.data.version, stageKey(event.data.to));
    case 'AliasRemoved':
      state.aliases.delete(event.data.alias);
      return state;
    default:
      return state;
  }
}

function hold(state: ModelState, version: number, key: string): ModelState {
  const held = state.versions.get(version)?.held as Set<string> | undefined;
  held?.add(key);
  return state;
}

/** The version a decision registers; `undefined` when it decides something else. The name is the one it was registered under. */
export function registeredVersion({
  subject,
  type,
  data,
}: Pick<DecisionRecord, 'subject' | 'type' | 'data'>): RegisteredVersion | undefined {
  if (type !== 'VersionRegistered' || !subject.startsWith('model/')) return undefined;
  const { version, name, artifactPath, source, digest, signature } = data as (ModelEvent & { readonly type: 'VersionRegistered' })['data'];
  const registered = {
    modelId: subject.slice('model/'.length),
    name,
    version,
    artifactPath,
    source,
    digest,
    registeredAs: name,
    held: new Set<string>(),
  };
  return signature ? { ...registered, signature } : registered;
}

/** The version that a decision asks to promote; `undefined` when it decides something else. `state` is the subject's as it is folded. */
export function askedVersion(
  { subject, type, data }: Pick<DecisionRecord, 'subject' | 'type' | 'data'>,
  state: unknown,
): RegisteredVersion | undefined {
  if (type !== 'PromotionRequested' || !subject.startsWith('model/')) return undefined;
  const { version } = data as { readonly version: number };
  const source = (state as ModelState).versions.get(version);
  return source && { ...source, modelId: subject.slice('model/'.length), name: source.registeredAs, version };
}

/** The registry's aggregates as a reader folds them: nothing is ever decided here. */
export const registryReaders: Readonly<Record<'models' | 'model', AnyDecider>> = {
  models: { initial: (): CatalogState => ({ modelIds: new Map() }), evolve: evolveCatalog, decide: () => ({ kind: 'unchanged' }) },
  model: {
    initial: (): ModelState => ({ versions: new Map(), aliases: new Map() }),
    evolve: evolveModel,
    decide: () => ({ kind: 'unchanged' }),
  },
};
