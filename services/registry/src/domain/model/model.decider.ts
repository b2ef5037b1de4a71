import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { ImportedVersion, ModelEvent, Stage, VersionRegistered, VersionSignature } from './model.events.js';
import { followed, type Followed } from '../followed.js';

export interface ModelVersion extends Omit<VersionRegistered, 'name' | 'tags' | 'description' | 'signature'> {
  signature?: VersionSignature;
  description: string | null;
  stage: Stage;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  readonly actor: string;
  readonly tags: Map<string, string>;
  /** Of one that was brought from another server: `stage`, `description`, `tag:<key>` that were changed here since. Absent until one is. */
  changedHere?: Set<string>;
}

/** One registered model's versions, and the aliases that point to them. */
export interface Model {
  /** The last number given; deleted versions count. */
  lastVersion: number;
  readonly versions: Map<number, ModelVersion>;
  readonly aliases: Map<string, number>;
  /** Aliases that an import has set last, and from which server. Absent until there is one. */
  importedAliases?: Map<string, string>;
  /** When a version last came, went or moved; 0 before the first. What is said about a version does not count. */
  updatedAt: number;
}

export type ModelCommand =
  | (Command<'RegisterVersion'> & Omit<VersionRegistered, 'version' | 'imported'>)
  /** A version of another server, under the number it has there. */
  | (Command<'ImportVersion'> & Omit<VersionRegistered, 'imported'> & { readonly imported: ImportedVersion })
  | (Command<'SignVersion'> & { readonly version: number; readonly signature: VersionSignature })
  | (Command<'DescribeVersion'> & Followed & { readonly version: number; readonly description: string })
  | (Command<'TagVersion'> & Followed & { readonly version: number; readonly key: string; readonly value: string })
  | (Command<'UntagVersion'> & Followed & { readonly version: number; readonly key: string })
  | (Command<'MoveVersion'> & Followed & { readonly version: number; readonly to: Stage; readonly archiveOthers: boolean })
  | (Command<'DeleteVersion'> & { readonly version: number })
  | (Command<'AssignAlias'> & Followed & { readonly alias: string; readonly version: number })
  | (Command<'RemoveAlias'> & { readonly alias: string });

export type ModelRejection = Rejection<'MR_REGISTRY_VERSION_NOT_FOUND' | 'MR_REGISTRY_VERSION_EXISTS' | 'MR_REGISTRY_STAGE_CANNOT_ARCHIVE'>;

type ModelDecision = Decision<ModelEvent, ModelRejection>;

/** One registered model: its versions count up, move through stages and carry aliases. */
export const model: Decider<Model, ModelCommand, ModelEvent, ModelRejection> = {
  initial: () => ({ lastVersion: 0, versions: new Map(), aliases: new Map(), updatedAt: 0 }),

  evolve(state, event, { time, actor }) {
    if (event.type === 'VersionRegistered') {
      const { name: _, tags, ...registered } = event.data;
      const { imported } = registered;
      const version: ModelVersion = {
        ...registered,
        stage: imported?.stage ?? 'None',
        createdAt: imported?.createdAt ?? time,
        updatedAt: imported?.updatedAt ?? time,
        actor: imported?.userId ?? actor,
        tags: new Map(Object.entries(tags)),
      };
      state.updatedAt = imported ? Math.max(state.updatedAt, imported.updatedAt) : time;
      state.versions.set(version.version, version);
      state.lastVersion = version.version;
      return state;
    }
    const version = state.versions.get(event.data.version);
    // Cannot be: the decider names only versions that exist. An unknown one must not stop the fold.
    if (!version) return state;
    noteChangesHere(state, event);
    switch (event.type) {
      case 'VersionSigned':
        version.signature = event.data.signature;
        return state;
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
        state.updatedAt = time;
        version.stage = event.data.to;
        version.updatedAt = time;
        for (const number of event.data.archived) {
          const other = state.versions.get(number);
          if (other) Object.assign(other, { stage: 'Archived', updatedAt: time });
        }
        return state;
      case 'VersionDeleted':
        state.updatedAt = time;
        state.versions.delete(version.version);
        for (const alias of event.data.aliases) {
          state.aliases.delete(alias);
          state.importedAliases?.delete(alias);
        }
        return state;
      case 'AliasAssigned':
        state.aliases.set(event.data.alias, version.version);
        if (event.data.importedFrom === undefined) state.importedAliases?.delete(event.data.alias);
        else (state.importedAliases ??= new Map()).set(event.data.alias, event.data.importedFrom);
        return state;
      case 'AliasRemoved':
        state.aliases.delete(event.data.alias);
        state.importedAliases?.delete(event.data.alias);
        return state;
    }
  },

  decide(command, state): ModelDecision {
    if (command.type === 'RegisterVersion') {
      const { type: _, ...registered } = command;
      return accept('VersionRegistered', { version: state.lastVersion + 1, ...registered });
    }
    if (command.type === 'ImportVersion') return importVersion(command, state);
    if (command.type === 'RemoveAlias') {
      const version = state.aliases.get(command.alias);
      return version === undefined ? unchanged : accept('AliasRemoved', { alias: command.alias, version });
    }
    const version = state.versions.get(command.version);
    if (!version) {
      return reject('MR_REGISTRY_VERSION_NOT_FOUND', `Model Version (version=${command.version}) not found`, { version: command.version });
    }
    switch (command.type) {
      case 'SignVersion':
        // The same key has nothing new to say about the same files.
        if (command.signature.keyId === version.signature?.keyId) return unchanged;
        return accept('VersionSigned', { version: version.version, signature: command.signature });
      case 'DescribeVersion':
        if (command.description === version.description) return unchanged;
        return accept('VersionDescribed', { version: version.version, description: command.description, ...followed(command) });
      case 'TagVersion':
        if (version.tags.get(command.key) === command.value) return unchanged;
        return accept('VersionTagged', { version: version.version, key: command.key, value: command.value, ...followed(command) });
      case 'UntagVersion':
        return version.tags.has(command.key)
          ? accept('VersionUntagged', { version: version.version, key: command.key, ...followed(command) })
          : unchanged;
      case 'MoveVersion':
        return move(command, version, state);
      case 'DeleteVersion':
        return accept('VersionDeleted', { version: version.version, aliases: aliasesOf(state, version.version) });
      case 'AssignAlias': {
        const previous = state.aliases.get(command.alias) ?? null;
        if (previous === version.version) return unchanged;
        return accept('AliasAssigned', { alias: command.alias, version: version.version, previous, ...followed(command) });
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

/** Numbers only go up here as well, so versions are brought in the order of their numbers; one that is here already is left as it is. */
function importVersion(command: Extract<ModelCommand, { type: 'ImportVersion' }>, state: Model): ModelDecision {
  const { type: _, ...registered } = command;
  if (state.versions.get(command.version)?.imported?.origin === command.imported.origin) return unchanged;
  if (command.version > state.lastVersion) return accept('VersionRegistered', registered);
  const message = `Version ${command.version} of ${command.name} was given here already; the last number given is ${state.lastVersion}`;
  return reject('MR_REGISTRY_VERSION_EXISTS', message, { version: command.version });
}

/** A later import leaves alone what people have changed here. */
function noteChangesHere(state: Model, event: Exclude<ModelEvent, { type: 'VersionRegistered' }>): void {
  if ('importedFrom' in event.data && event.data.importedFrom !== undefined) return;
  const note = (number: number, change: string): void => {
    const version = state.versions.get(number);
    if (version?.imported) (version.changedHere ??= new Set()).add(change);
  };
  if (event.type === 'VersionDescribed') note(event.data.version, 'description');
  if (event.type === 'VersionTagged' || event.type === 'VersionUntagged') note(event.data.version, `tag:${event.data.key}`);
  if (event.type === 'VersionMoved') for (const number of [event.data.version, ...event.data.archived]) note(number, 'stage');
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
  return accept('VersionMoved', { version: version.version, from: version.stage, to, archived, ...followed(command) });
}
