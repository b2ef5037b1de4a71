import {
  matchesAny,
  type CommandMetadata,
  type CommandOutcome,
  type Event,
  type Ids,
  type Position,
  type Rejection,
} from '@millrace/kernel';
import { modelNotFound, MODELS, type ModelsCommand, type ModelsRejection } from '../domain/models/models.decider.js';
import type { ImportedModel, ModelsEvent } from '../domain/models/models.events.js';
import type { GovernanceRejection, GovernedCommand, GovernedRejection } from '../domain/governance/governed-model.decider.js';
import { targetOf } from '../domain/governance/moves.js';
import type { Rule } from '../domain/governance/rules.js';
import type { ModelCommand, ModelRejection } from '../domain/model/model.decider.js';
import type { ImportedVersion, ModelEvent, VersionRegistered } from '../domain/model/model.events.js';
import type { RegistryView } from '../queries/registry-view.js';
import type { GovernanceCommands } from './governance-commands.js';
import type { Policies } from './policies.js';
import type { ArtifactChanged, SourceResolver } from './source-resolver.js';

/** The domain's write path. */
export interface DecisionWriter {
  handle<E extends Event, R extends Rejection>(
    subject: string,
    command: ModelsCommand | GovernedCommand,
    metadata: CommandMetadata,
  ): Promise<CommandOutcome<E, R>>;
}

export type RegistryRejection =
  | ModelsRejection
  | ModelRejection
  | GovernanceRejection
  | ArtifactChanged
  | Rejection<'MR_REGISTRY_LOGGED_MODEL_NOT_FOUND' | 'MR_REGISTRY_SIGNING_REFUSED'>;

/** How a write ended. `position` is what a later read may pass as `at-least`. */
export type Written<T> =
  | { readonly kind: 'written'; readonly value: T; readonly position: Position }
  | { readonly kind: 'rejected'; readonly rejection: RegistryRejection };

export interface NewVersion {
  readonly source: string;
  readonly runId: string | null;
  /** The logged model the client says it is made of. */
  readonly modelId: string | null;
  readonly runLink: string | null;
  readonly description: string | null;
  readonly tags: Readonly<Record<string, string>>;
}

/** What a client may do to registered models. Models are named on the wire and identified by `modelId` in the log. */
export class RegistryCommands {
  constructor(
    private readonly log: DecisionWriter,
    private readonly view: RegistryView,
    private readonly sources: SourceResolver,
    private readonly ids: Ids,
    private readonly policies: Policies,
    private readonly governance: Pick<GovernanceCommands, 'lookBeforeMove'>,
  ) {}

  /** Registers a model under a free name. Its id is derived from the command's, so a repeated command finds the first model. */
  registerModel(
    model: { name: string; description: string | null; tags: Readonly<Record<string, string>>; imported?: ImportedModel },
    metadata: CommandMetadata,
  ): Promise<Written<ModelsEvent | undefined>> {
    return this.models({ type: 'RegisterModel', modelId: this.ids.derived(metadata.commandId, 'model'), ...model }, metadata);
  }

  /** Any change of a model as such. */
  async models(command: ModelsCommand, metadata: CommandMetadata): Promise<Written<ModelsEvent | undefined>> {
    const governed = await this.#governed(command, metadata.actor);
    return written(await this.log.handle<ModelsEvent, ModelsRejection>(MODELS, governed, metadata));
  }

  /** Registers a version: finds the artifact its source names and digests it, so that who serves it can tell it is the same. */
  async registerVersion(name: string, version: NewVersion, metadata: CommandMetadata): Promise<Written<VersionRegistered>> {
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return { kind: 'rejected', rejection: modelNotFound(name).rejection };
    const { modelId: claimed, ...rest } = version;
    const logged = await this.sources.loggedModel(version.source, claimed);
    if (logged === null) {
      const message = `There is no logged model that version source '${version.source}' leads to; log the model to this server first.`;
      return { kind: 'rejected', rejection: { code: 'MR_REGISTRY_LOGGED_MODEL_NOT_FOUND', message } };
    }
    const runId = version.runId ?? logged?.sourceRunId ?? null;
    const artifact = await this.sources.resolve(name, version.source, runId);
    if ('code' in artifact) return { kind: 'rejected', rejection: artifact };
    const command: ModelCommand = {
      ...{ type: 'RegisterVersion', name, ...rest, runId, ...artifact },
      ...(logged ? { modelId: logged.modelId } : {}),
    };
    const outcome = await this.log.handle<ModelEvent, ModelRejection>(`model/${modelId}`, command, metadata);
    if (outcome.kind === 'accepted' && outcome.event.type === 'VersionRegistered') {
      return { kind: 'written', value: outcome.event.data, position: outcome.position };
    }
    // Registering is never unchanged and never refused; a command id used for something else before says so.
    if (outcome.kind === 'rejected') return outcome;
    throw new TypeError(`command ${metadata.commandId} on model/${modelId} was not the registration of a version`);
  }

  /** Brings a version of another server under its number there; `undefined` when it is here already. */
  async importVersion(
    name: string,
    version: Omit<NewVersion, 'modelId'> & { readonly version: number; readonly imported: ImportedVersion },
    metadata: CommandMetadata,
  ): Promise<Written<ModelEvent | undefined>> {
    const artifact = await this.sources.resolve(name, version.source, version.runId);
    if ('code' in artifact) return { kind: 'rejected', rejection: artifact };
    const logged = await this.sources.loggedModel(version.source, null);
    const of = logged ? { modelId: logged.modelId } : {};
    return this.version(name, { type: 'ImportVersion', name, ...version, ...artifact, ...of }, metadata);
  }

  /** Any change of one model's versions, stages and aliases. */
  async version(name: string, command: ModelCommand, metadata: CommandMetadata): Promise<Written<ModelEvent | undefined>> {
    const modelId = await this.#modelId(name);
    if (modelId === undefined) return { kind: 'rejected', rejection: modelNotFound(name).rejection };
    const rules = GOVERNED.has(command.type) ? await this.policies.rules(name) : [];
    const governed = GOVERNED.has(command.type) ? { ...command, rules } : command;
    const target = targetOf(command);
    if (rules.length > 0 && target && 'version' in command) {
      await this.governance.lookBeforeMove(name, command.version, target, metadata);
    }
    return written(await this.log.handle<ModelEvent, GovernedRejection>(`model/${modelId}`, governed, metadata));
  }

  /** A model leaves its policies by no other name, and its versions by no deletion that its policies would not allow one by one. */
  async #governed(command: ModelsCommand, actor: string): Promise<ModelsCommand> {
    if (command.type !== 'RenameModel' && command.type !== 'DeleteModel') return command;
    const rules = await this.policies.rules(command.name);
    if (command.type === 'DeleteModel') {
      return { ...command, forbiddenBy: rules.find((rule) => !matchesAny(rule.rollback, actor))?.policy };
    }
    const other = await this.policies.rules(command.newName);
    const isIn = (list: readonly Rule[], { policy }: Rule): boolean => list.some((rule) => rule.policy === policy);
    const changed = [...rules.filter((rule) => !isIn(other, rule)), ...other.filter((rule) => !isIn(rules, rule))];
    return { ...command, forbiddenBy: changed[0]?.policy };
  }

  /** The id behind a name. A name that looks free may only be so here: before saying so, this process reads to the log's end. */
  async #modelId(name: string): Promise<string | undefined> {
    const seen = this.view.model(name);
    if (seen) return seen.registered.modelId;
    await this.view.upToDate();
    return this.view.model(name)?.registered.modelId;
  }
}

/** Commands that policies may have a say in. */
const GOVERNED: ReadonlySet<ModelCommand['type']> = new Set(['MoveVersion', 'AssignAlias', 'RemoveAlias', 'DeleteVersion']);

function written<E extends Event, R extends RegistryRejection>(outcome: CommandOutcome<E, R>): Written<E | undefined> {
  if (outcome.kind === 'rejected') return outcome;
  return { kind: 'written', value: outcome.kind === 'accepted' ? outcome.event : undefined, position: outcome.position };
}
