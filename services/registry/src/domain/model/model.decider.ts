import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { ModelEvent, Stage, VersionRegistered } from './model.events.js';

export interface ModelVersion extends Omit<VersionRegistered, 'name' | 'tags' | 'description'> {
  description: string | null;
  stage: Stage;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  readonly actor: string;
  readonly tags: Map<string, string>;
}

/** One registered model's versions, and the aliases that point to them. */
export interface Model {
  /** The last number given; deleted versions count. */
  lastVersion: number;
  readonly versions: Map<number, ModelVersion>;
  readonly aliases: Map<string, number>;
  /** When a version, stage or alias last changed; 0 before the first. */
  updatedAt: number;
}

export type ModelCommand =
  | (Command<'RegisterVersion'> & Omit<VersionRegistered, 'version'>)
  | (Command<'DescribeVersion'> & { readonly version: number; readonly description: string })
  | (Command<'TagVersion'> & { readonly version: number; readonly key: string; readonly value: string })
  | (Command<'UntagVersion'> & { readonly version: number; readonly key: string })
  | (Command<'MoveVersion'> & { readonly version: number; readonly to: Stage; readonly archiveOthers: boolean })
  | (Command<'DeleteVersion'> & { readonly version: number })
  | (Command<'AssignAlias'> & { readonly alias: string; readonly version: number })
  | (Command<'RemoveAlias'> & { readonly alias: string });

export type ModelRejection = Rejection<'MR_REGISTRY_VERSION_NOT_FOUND' | 'MR_REGISTRY_STAGE_CANNOT_ARCHIVE'>;

type ModelDecision = Decision<ModelEvent, ModelRejection>;

/** One registered model: its versions count up, move through stages and carry aliases. */
export const model: Decider<Model, ModelCommand, ModelEvent, ModelRejection> = {
  initial: () => ({ lastVersion: 0, versions: new Map(), aliases: new Map(), updatedAt: 0 }),

  evolve(state, event, { time, actor }) {
    state.updatedAt = time;
    if (event.type === 'VersionRegistered') {
      const { name: _, tags, ...registered } = event.data;
      const version = {
        ...registered,
        stage: 'None',
        createdAt: time,
        updatedAt: time,
        actor,
        tags: new Map(Object.entries(tags)),
      } as const;
      state.versions.set(version.version, { ...version });
      state.lastVersion = version.version;
      return state;
    }
    const version = state.versions.get(event.data.version);
    // Cannot be: the decider names only versions that exist. An unknown one must not stop the fold.
    if (!version) return state;
    switch (event.type) {
      case 'VersionDescribed':
        version.description = event.data.description;
        version.updatedAt = time;
        return state;
      case 'VersionTagged':
        version.tags.set(event.data.key, event.data.value);
        return state;
      case 'VersionUntagged':
        version.tags.delete(event.data.key);
        return state;
      case 'VersionMoved':
        version.stage = event.data.to;
        version.updatedAt = time;
        for (const number of event.data.archived) {
          const other = state.versions.get(number);
          if (other) Object.assign(other, { stage: 'Archived', updatedAt: time });
        }
        return state;
      case 'VersionDeleted':
        state.versions.delete(version.version);
        for (const alias of event.data.aliases) state.aliases.delete(alias);
        return state;
      case 'AliasAssigned':
        state.aliases.set(event.data.alias, version.version);
        return state;
      case 'AliasRemoved':
        state.aliases.delete(event.data.alias);
        return state;
    }
  },

  decide(command, state): ModelDecision {
    if (command.type === 'RegisterVersion') {
      const { type: _, ...registered } = command;
      return accept('VersionRegistered', { version: state.lastVersion + 1, ...registered });
    }
    if (command.type === 'RemoveAlias') {
      const version = state.aliases.get(command.alias);
      return version === undefined ? unchanged : accept('AliasRemoved', { alias: command.alias, version });
    }
    const version = state.versions.get(command.version);
    if (!version) {
      return reject('MR_REGISTRY_VERSION_NOT_FOUND', `Model Version (version=${command.version}) not found`, { version: command.version });
    }
    switch (command.type) {
      case 'DescribeVersion':
        if (command.description === version.description) return unchanged;
        return accept('VersionDescribed', { version: version.version, description: command.description });
      case 'TagVersion':
        if (version.tags.get(command.key) === command.value) return unchanged;
        return accept('VersionTagged', { version: version.version, key: command.key, value: command.value });
      case 'UntagVersion':
        return version.tags.has(command.key) ? accept('VersionUntagged', { version: version.version, key: command.key }) : unchanged;
      case 'MoveVersion':
        return move(command, version, state);
      case 'DeleteVersion':
        return accept('VersionDeleted', { version: version.version, aliases: aliasesOf(state, version.version) });
      case 'AssignAlias': {
        const previous = state.aliases.get(command.alias) ?? null;
        if (previous === version.version) return unchanged;
        return accept('AliasAssigned', { alias: command.alias, version: version.version, previous });
      }
    }
  },
};

/** Aliases that point to a version, in the order of their names. */
export function aliasesOf(state: Model, version: number): string[] {
  return [...state.aliases]
    .filter(([, target]) => target === version)
    .map(([alias]) => alias)
    .sort();
}

function move(command: Extract<ModelCommand, { type: 'MoveVersion' }>, version: ModelVersion, state: Model): ModelDecision {
  const { to, archiveOthers } = command;
  if (archiveOthers && to !== 'Staging' && to !== 'Production') {
    const message =
      `Model version transition cannot archive existing model versions because '${to}' is not an Active stage. ` +
      "Valid stages are ['Staging', 'Production']";
    return reject('MR_REGISTRY_STAGE_CANNOT_ARCHIVE', message, { to });
  }
  const others = [...state.versions.values()].filter((other) => other.version !== version.version && other.stage === to);
  const archived = archiveOthers ? others.map((other) => other.version).sort((a, b) => a - b) : [];
  if (version.stage === to && archived.length === 0) return unchanged;
  return accept('VersionMoved', { version: version.version, from: version.stage, to, archived });
}
