import type { CommandMetadata, Ids, Position } from '@millrace/kernel';
import type { ModelCommand, ModelVersion } from '../domain/model/model.decider.js';
import type { ImportedVersion, VersionRegistered } from '../domain/model/model.events.js';
import type { ModelsCommand } from '../domain/models/models.decider.js';
import type { ImportedModel } from '../domain/models/models.events.js';
import type { RegistryView } from '../queries/registry-view.js';
import type { NewVersion, RegistryCommands, RegistryRejection, Written } from './registry-commands.js';

export interface ImportedRegistration {
  readonly name: string;
  readonly description: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly imported: ImportedModel;
}

export type ImportedRelease = Omit<NewVersion, 'modelId'> & { readonly version: number; readonly imported: ImportedVersion };

/** What became of something that was brought now or is here from before. */
export interface Brought<T = undefined> {
  readonly created: T | undefined;
  /** `stage`, `description`, `tag:<key>` that were changed here since it was brought, and are left. */
  readonly changedHere: readonly string[];
  /** What a rule of this registry did not let the import do. */
  readonly refused: readonly Refused[];
}

export interface Refused {
  /** `stage`, `description`, `tag:<key>`, `alias:<alias>`, `version:<number>`. */
  readonly what: string;
  readonly message: string;
}

export interface BroughtRest {
  /** How many aliases are set that were not. */
  readonly aliases: number;
  /** Aliases that point elsewhere here, and versions that are no longer there; `alias:<alias>`, `version:<number>`. Somebody has changed them here. */
  readonly left: readonly string[];
  readonly refused: readonly Refused[];
}

/** How an import ended; without a position when there was nothing to write. */
export type Followed<T> =
  | { readonly kind: 'written'; readonly value: T; readonly position?: Position }
  | { readonly kind: 'rejected'; readonly rejection: RegistryRejection };

type Steps<C> = (readonly [what: string, command: C])[];

/**
 * Brings registered models of another server and follows what was changed there since. What people have changed here stays as they left it,
 * and policies hold for what an import changes as for anybody's change.
 */
export class RegistryImports {
  constructor(
    private readonly commands: RegistryCommands,
    private readonly view: RegistryView,
    private readonly ids: Ids,
  ) {}

  /** A model of that name that was not brought from there takes the versions, and is left as it is. */
  async model(model: ImportedRegistration, metadata: CommandMetadata): Promise<Followed<Brought<true>>> {
    const written = await this.commands.registerModel(model, metadata);
    if (written.kind === 'written') return { ...written, value: { created: true, changedHere: [], refused: [] } };
    if (written.rejection.code !== 'MR_REGISTRY_MODEL_NAME_TAKEN') return written;
    await this.view.upToDate();
    const here = this.view.model(model.name)?.registered;
    const { name, description, tags, imported } = model;
    const changedHere = here?.imported?.origin === imported.origin ? [...(here.imported.changedHere ?? [])] : undefined;
    if (!here || !changedHere) return { kind: 'written', value: { created: undefined, changedHere: ['*'], refused: [] } };
    const from = { name, importedFrom: imported.origin };
    const steps: Steps<ModelsCommand> = [];
    if ((here.description ?? '') !== (description ?? '')) {
      steps.push(['description', { type: 'DescribeModel', ...from, description: description ?? '' }]);
    }
    for (const [key, value] of changedTags(here.tags, tags)) {
      steps.push([`tag:${key}`, value === undefined ? { type: 'UntagModel', ...from, key } : { type: 'TagModel', ...from, key, value }]);
    }
    const give = (command: ModelsCommand, one: CommandMetadata) => this.commands.models(command, one);
    const { position, refused } = await this.#follow(steps, give, changedHere, metadata);
    return { kind: 'written', value: { created: undefined, changedHere, refused }, ...position };
  }

  /** Names of the models that were brought from there, in order. */
  async models(origin: string): Promise<string[]> {
    await this.view.upToDate();
    const names = [...this.view.models()].filter(({ registered }) => registered.imported?.origin === origin);
    return names.map(({ registered }) => registered.name).sort();
  }

  /** Brings a version under its number there. */
  async version(name: string, release: ImportedRelease, metadata: CommandMetadata): Promise<Followed<Brought<VersionRegistered>>> {
    await this.view.upToDate();
    const here = this.view.version(name, release.version)?.version;
    if (here?.imported?.origin === release.imported.origin) {
      if (here.imported.createdAt === release.imported.createdAt) return this.#followVersion(name, here, release, metadata);
      // The model was deleted or renamed there, and another has its name.
      const message =
        `Version ${release.version} of ${name} was brought from another model that had the name there; ` +
        `rename or delete the model here, and import again`;
      return { kind: 'rejected', rejection: { code: 'MR_REGISTRY_VERSION_EXISTS', message } };
    }
    const written = await this.commands.importVersion(name, release, metadata);
    if (written.kind === 'rejected') return written;
    const created = written.value?.type === 'VersionRegistered' ? written.value.data : undefined;
    return { ...written, value: { created, changedHere: [], refused: [] } };
  }

  /**
   * What is left once the versions of a model are here: its aliases, and the versions that have been deleted there. `versions` are all that
   * there are.
   */
  async rest(
    name: string,
    origin: string,
    aliases: ReadonlyMap<string, number>,
    versions: ReadonlySet<number>,
    metadata: CommandMetadata,
  ): Promise<Followed<BroughtRest>> {
    await this.view.upToDate();
    const model = this.view.model(name)?.model;
    if (!model) return { kind: 'written', value: { aliases: 0, left: [], refused: [] } };
    const ours = new Set([...(model.importedAliases ?? [])].filter(([, from]) => from === origin).map(([alias]) => alias));
    const [steps, left]: [Steps<ModelCommand>, string[]] = [[], []];
    let added = 0;
    for (const [alias, version] of aliases) {
      const here = model.aliases.get(alias);
      if (here === version) continue;
      if (here === undefined) added++;
      if (here !== undefined && !ours.has(alias)) left.push(`alias:${alias}`);
      else steps.push([`alias:${alias}`, { type: 'AssignAlias', alias, version, importedFrom: origin }]);
    }
    for (const alias of ours) {
      if (!aliases.has(alias)) steps.push([`alias:${alias}`, { type: 'RemoveAlias', alias }]);
    }
    for (const [number, version] of model.versions) {
      if (versions.has(number) || version.imported?.origin !== origin) continue;
      const isNamedHere = [...model.aliases].some(([alias, target]) => target === number && !ours.has(alias));
      if (version.changedHere !== undefined || isNamedHere) left.push(`version:${number}`);
      else steps.push([`version:${number}`, { type: 'DeleteVersion', version: number }]);
    }
    const { position, refused } = await this.#follow(steps, this.#versions(name), [], metadata);
    const refusedAliases = refused.filter(({ what }) => what.startsWith('alias:') && !model.aliases.has(what.slice('alias:'.length)));
    return { kind: 'written', value: { aliases: added - refusedAliases.length, left, refused }, ...position };
  }

  async #followVersion(
    name: string,
    here: ModelVersion,
    { version, description, tags, imported }: ImportedRelease,
    metadata: CommandMetadata,
  ): Promise<Followed<Brought<VersionRegistered>>> {
    const from = { version, importedFrom: imported.origin };
    const steps: Steps<ModelCommand> = [];
    if (here.stage !== imported.stage) steps.push(['stage', { type: 'MoveVersion', ...from, to: imported.stage, archiveOthers: false }]);
    if ((here.description ?? '') !== (description ?? '')) {
      steps.push(['description', { type: 'DescribeVersion', ...from, description: description ?? '' }]);
    }
    for (const [key, value] of changedTags(here.tags, tags)) {
      steps.push([
        `tag:${key}`,
        value === undefined ? { type: 'UntagVersion', ...from, key } : { type: 'TagVersion', ...from, key, value },
      ]);
    }
    const changedHere = [...(here.changedHere ?? [])];
    const { position, refused } = await this.#follow(steps, this.#versions(name), changedHere, metadata);
    return { kind: 'written', value: { created: undefined, changedHere, refused }, ...position };
  }

  #versions(name: string): (command: ModelCommand, metadata: CommandMetadata) => Promise<Written<unknown>> {
    return (command, metadata) => this.commands.version(name, command, metadata);
  }

  /** One refusal is no reason to leave out the others. */
  async #follow<C>(
    steps: Steps<C>,
    give: (command: C, metadata: CommandMetadata) => Promise<Written<unknown>>,
    changedHere: readonly string[],
    metadata: CommandMetadata,
  ): Promise<{ position: { position?: Position }; refused: Refused[] }> {
    const refused: Refused[] = [];
    let position: { position?: Position } = {};
    for (const [what, command] of steps) {
      if (changedHere.includes(what)) continue;
      const one = { ...metadata, commandId: this.ids.derived(metadata.commandId, what) };
      const written = await give(command, one);
      if (written.kind === 'rejected') refused.push({ what, message: written.rejection.message });
      else position = { position: written.position };
    }
    return { position, refused };
  }
}

/** Tags that differ, with what they are there; `undefined` for those that are only here. */
function changedTags(here: ReadonlyMap<string, string>, there: Readonly<Record<string, string>>): [string, string | undefined][] {
  const keys = new Set([...here.keys(), ...Object.keys(there)]);
  return [...keys].filter((key) => here.get(key) !== there[key]).map((key) => [key, there[key]]);
}
