import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { ImportedModel, ModelsEvent } from './models.events.js';
import { followed, type Followed } from '../followed.js';

export const MODELS = 'models/catalog';

export interface RegisteredModel {
  readonly modelId: string;
  name: string;
  description: string | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  readonly tags: Map<string, string>;
  /** Of one that was brought from another server: from where, and which of `description`, `tag:<key>` were changed here since. */
  readonly imported?: { readonly origin: string; changedHere?: Set<string> };
}

/** The registered models there are. */
export interface Models {
  readonly byId: Map<string, RegisteredModel>;
  readonly idOfName: Map<string, string>;
}

export type ModelsCommand =
  | (Command<'RegisterModel'> & {
      readonly modelId: string;
      readonly name: string;
      readonly description: string | null;
      readonly tags: Readonly<Record<string, string>>;
      /** Of a model that is brought from another server. */
      readonly imported?: ImportedModel;
    })
  /** `forbiddenBy`: a policy that the model would leave, or come under, by it. */
  | (Command<'RenameModel'> & { readonly name: string; readonly newName: string; readonly forbiddenBy?: string | undefined })
  | (Command<'DescribeModel'> & Followed & { readonly name: string; readonly description: string })
  | (Command<'TagModel'> & Followed & { readonly name: string; readonly key: string; readonly value: string })
  | (Command<'UntagModel'> & Followed & { readonly name: string; readonly key: string })
  /** `forbiddenBy`: a policy that does not let the actor take its versions away. */
  | (Command<'DeleteModel'> & { readonly name: string; readonly forbiddenBy?: string | undefined });

export type ModelsRejection = Rejection<'MR_REGISTRY_MODEL_NAME_TAKEN' | 'MR_REGISTRY_MODEL_NOT_FOUND' | 'MR_REGISTRY_POLICY_FORBIDDEN'>;

type ModelsDecision = Decision<ModelsEvent, ModelsRejection>;

/** The catalog of registered models: a name belongs to one model at a time. */
export const models: Decider<Models, ModelsCommand, ModelsEvent, ModelsRejection> = {
  initial: () => ({ byId: new Map(), idOfName: new Map() }),

  evolve(state, event, { time }) {
    if (event.type === 'ModelRegistered') {
      const { modelId, name, description, tags, imported } = event.data;
      const [createdAt, updatedAt] = [imported?.createdAt ?? time, imported?.updatedAt ?? time];
      const model = { modelId, name, description, createdAt, updatedAt, tags: new Map(Object.entries(tags)) };
      state.byId.set(modelId, imported ? { ...model, imported: { origin: imported.origin } } : model);
      state.idOfName.set(name, modelId);
      return state;
    }
    const model = state.byId.get(event.data.modelId);
    // Cannot be: the decider names only models that exist. An unknown one must not stop the fold.
    if (!model) return state;
    model.updatedAt = time;
    noteChangeHere(model, event);
    switch (event.type) {
      case 'ModelRenamed':
        state.idOfName.delete(event.data.from);
        state.idOfName.set(event.data.to, model.modelId);
        model.name = event.data.to;
        return state;
      case 'ModelDescribed':
        model.description = event.data.description;
        return state;
      case 'ModelTagged':
        model.tags.set(event.data.key, event.data.value);
        return state;
      case 'ModelUntagged':
        model.tags.delete(event.data.key);
        return state;
      case 'ModelDeleted':
        state.byId.delete(model.modelId);
        state.idOfName.delete(model.name);
        return state;
    }
  },

  decide(command, state): ModelsDecision {
    if (command.type === 'RegisterModel') {
      const { type: _, ...registered } = command;
      return state.idOfName.has(command.name) ? nameTaken(command.name) : accept('ModelRegistered', registered);
    }
    const model = modelNamed(state, command.name);
    if (!model) return modelNotFound(command.name);
    const modelId = model.modelId;
    switch (command.type) {
      case 'RenameModel':
        if (command.newName === model.name) return unchanged;
        if (command.forbiddenBy !== undefined)
          return forbidden(command.forbiddenBy, `Registered Model ${model.name} cannot be renamed to ${command.newName}`);
        if (state.idOfName.has(command.newName)) return nameTaken(command.newName);
        return accept('ModelRenamed', { modelId, from: model.name, to: command.newName });
      case 'DescribeModel':
        if (command.description === model.description) return unchanged;
        return accept('ModelDescribed', { modelId, description: command.description, ...followed(command) });
      case 'TagModel':
        if (model.tags.get(command.key) === command.value) return unchanged;
        return accept('ModelTagged', { modelId, key: command.key, value: command.value, ...followed(command) });
      case 'UntagModel':
        return model.tags.has(command.key) ? accept('ModelUntagged', { modelId, key: command.key, ...followed(command) }) : unchanged;
      case 'DeleteModel':
        if (command.forbiddenBy !== undefined) return forbidden(command.forbiddenBy, `Registered Model ${model.name} cannot be deleted`);
        return accept('ModelDeleted', { modelId, name: model.name });
    }
  },
};

/** A later import leaves alone what people have changed here. */
function noteChangeHere({ imported }: RegisteredModel, { type, data }: ModelsEvent): void {
  if (!imported || ('importedFrom' in data && data.importedFrom !== undefined)) return;
  if (type === 'ModelDescribed') (imported.changedHere ??= new Set()).add('description');
  if (type === 'ModelTagged' || type === 'ModelUntagged') (imported.changedHere ??= new Set()).add(`tag:${data.key}`);
}

export function modelNamed(state: Models, name: string): RegisteredModel | undefined {
  const modelId = state.idOfName.get(name);
  return modelId === undefined ? undefined : state.byId.get(modelId);
}

/** The refusal to do anything with a model that is not registered. */
export function modelNotFound(name: string): { kind: 'reject'; rejection: Rejection<'MR_REGISTRY_MODEL_NOT_FOUND'> } {
  return reject('MR_REGISTRY_MODEL_NOT_FOUND', `Registered Model with name=${name} not found`, { name });
}

function forbidden(policy: string, what: string): ModelsDecision {
  return reject('MR_REGISTRY_POLICY_FORBIDDEN', `${what}: policy ${policy} governs it; change the Policy first, or ask who may roll back`, {
    policy,
  });
}

function nameTaken(name: string): ModelsDecision {
  return reject('MR_REGISTRY_MODEL_NAME_TAKEN', `Registered Model (name=${name}) already exists.`, { name });
}
