import type { AnyDecider, Event } from '@millrace/kernel';

/**
 * Tracking's own fold of the registry's decisions: which versions were made of a run or of a logged model. It reads the events as
 * `schemas/registry` publishes them; nothing is ever decided here.
 */
export interface ModelNames {
  /** By the model's id. */
  readonly names: Map<string, string>;
}

export interface ModelVersions {
  readonly versions: Map<number, RegisteredVersion>;
  readonly aliases: Map<string, number>;
}

export interface RegisteredVersion {
  readonly version: number;
  readonly source: string;
  /** Path of its files below the artifact store's root; `null` when they lie elsewhere. */
  readonly artifactPath: string | null;
  readonly runId: string | null;
  /** The logged model it was made of. */
  readonly loggedModelId: string | null;
  readonly runLink: string | null;
  readonly userId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  stage: string;
  description: string | null;
  readonly tags: Map<string, string>;
}

type CatalogEvent =
  | Event<'ModelRegistered', { readonly modelId: string; readonly name: string }>
  | Event<'ModelRenamed', { readonly modelId: string; readonly to: string }>
  | Event<'ModelDeleted', { readonly modelId: string }>
  | Event<'ModelDescribed' | 'ModelTagged' | 'ModelUntagged'>;

type VersionEvent =
  | Event<
      'VersionRegistered',
      {
        readonly version: number;
        readonly source: string;
        readonly artifactPath: string | null;
        readonly runId: string | null;
        readonly modelId?: string;
        readonly runLink: string | null;
        readonly description: string | null;
        readonly tags: Readonly<Record<string, string>>;
        readonly imported?: { readonly createdAt: number; readonly updatedAt: number; readonly stage: string; readonly userId: string };
      }
    >
  | Event<'VersionDescribed', { readonly version: number; readonly description: string }>
  | Event<'VersionTagged', { readonly version: number; readonly key: string; readonly value: string }>
  | Event<'VersionUntagged', { readonly version: number; readonly key: string }>
  | Event<'VersionMoved', { readonly version: number; readonly to: string; readonly archived: readonly number[] }>
  | Event<'VersionDeleted', { readonly version: number; readonly aliases: readonly string[] }>
  | Event<'AliasAssigned', { readonly alias: string; readonly version: number }>
  | Event<'AliasRemoved', { readonly alias: string }>;

export const MODELS_SUBJECT = 'models/catalog';

function evolveNames(state: ModelNames, event: CatalogEvent): ModelNames {
  switch (event.type) {
    case 'ModelRegistered':
      state.names.set(event.data.modelId, event.data.name);
      return state;
    case 'ModelRenamed':
      state.names.set(event.data.modelId, event.data.to);
      return state;
    case 'ModelDeleted':
      state.names.delete(event.data.modelId);
      return state;
    default:
      return state;
  }
}

function evolveVersions(state: ModelVersions, event: VersionEvent, { time, actor }: { time: number; actor: string }): ModelVersions {
  if (event.type === 'VersionRegistered') {
    const { version, source, artifactPath, runId, modelId, runLink, description, tags, imported } = event.data;
    state.versions.set(version, {
      ...{
        version,
        source,
        artifactPath,
        runId,
        runLink,
        description,
        loggedModelId: modelId ?? null,
        tags: new Map(Object.entries(tags)),
      },
      ...{ userId: imported?.userId ?? actor, createdAt: imported?.createdAt ?? time, updatedAt: imported?.updatedAt ?? time },
      stage: imported?.stage ?? 'None',
    });
    return state;
  }
  if (event.type === 'AliasAssigned') state.aliases.set(event.data.alias, event.data.version);
  if (event.type === 'AliasRemoved') state.aliases.delete(event.data.alias);
  if (!('version' in event.data)) return state;
  const version = state.versions.get(event.data.version);
  if (!version) return state;
  switch (event.type) {
    case 'VersionDescribed':
      version.description = event.data.description;
      break;
    case 'VersionTagged':
      version.tags.set(event.data.key, event.data.value);
      break;
    case 'VersionUntagged':
      version.tags.delete(event.data.key);
      break;
    case 'VersionMoved':
      version.stage = event.data.to;
      for (const number of event.data.archived) {
        const archived = state.versions.get(number);
        if (archived) archived.stage = 'Archived';
      }
      break;
    case 'VersionDeleted':
      state.versions.delete(event.data.version);
      for (const alias of event.data.aliases) state.aliases.delete(alias);
      return state;
    default:
      return state;
  }
  version.updatedAt = time;
  return state;
}

/** The registry's aggregates as this reader folds them. */
export const registeredVersionReaders: Readonly<Record<'models' | 'model', AnyDecider>> = {
  models: { initial: (): ModelNames => ({ names: new Map() }), evolve: evolveNames, decide: () => ({ kind: 'unchanged' }) },
  model: {
    initial: (): ModelVersions => ({ versions: new Map(), aliases: new Map() }),
    evolve: evolveVersions,
    decide: () => ({ kind: 'unchanged' }),
  },
};
