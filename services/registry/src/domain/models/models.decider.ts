import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { ModelsEvent } from './models.events.js';

export const MODELS = 'models/catalog';

export interface RegisteredModel {
  readonly modelId: string;
  name: string;
  description: string | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  readonly tags: Map<string, string>;
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
    })
  | (Command<'RenameModel'> & { readonly name: string; readonly newName: string })
  | (Command<'DescribeModel'> & { readonly name: string; readonly description: string })
  | (Command<'TagModel'> & { readonly name: string; readonly key: string; readonly value: string })
  | (Command<'UntagModel'> & { readonly name: string; readonly key: string })
  | (Command<'DeleteModel'> & { readonly name: string });

export type ModelsRejection = Rejection<'MR_REGISTRY_MODEL_NAME_TAKEN' | 'MR_REGISTRY_MODEL_NOT_FOUND'>;

type ModelsDecision = Decision<ModelsEvent, ModelsRejection>;

/** The catalog of registered models: a name belongs to one model at a time. */
export const models: Decider<Models, ModelsCommand, ModelsEvent, ModelsRejection> = {
  initial: () => ({ byId: new Map(), idOfName: new Map() }),

  evolve(state, event, { time }) {
    if (event.type === 'ModelRegistered') {
      const { modelId, name, description, tags } = event.data;
      const model = { modelId, name, description, createdAt: time, updatedAt: time, tags: new Map(Object.entries(tags)) };
      state.byId.set(modelId, model);
      state.idOfName.set(name, modelId);
      return state;
    }
    const model = state.byId.get(event.data.modelId);
    // Cannot be: the decider names only models that exist. An unknown one must not stop the fold.
    if (!model) return state;
    model.updatedAt = time;
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
      const { modelId, name, description, tags } = command;
      return state.idOfName.has(name) ? nameTaken(name) : accept('ModelRegistered', { modelId, name, description, tags });
    }
    const model = modelNamed(state, command.name);
    if (!model) return modelNotFound(command.name);
    const modelId = model.modelId;
    switch (command.type) {
      case 'RenameModel':
        if (command.newName === model.name) return unchanged;
        if (state.idOfName.has(command.newName)) return nameTaken(command.newName);
        return accept('ModelRenamed', { modelId, from: model.name, to: command.newName });
      case 'DescribeModel':
        if (command.description === model.description) return unchanged;
        return accept('ModelDescribed', { modelId, description: command.description });
      case 'TagModel':
        if (model.tags.get(command.key) === command.value) return unchanged;
        return accept('ModelTagged', { modelId, key: command.key, value: command.value });
      case 'UntagModel':
        return model.tags.has(command.key) ? accept('ModelUntagged', { modelId, key: command.key }) : unchanged;
      case 'DeleteModel':
        return accept('ModelDeleted', { modelId, name: model.name });
    }
  },
};

export function modelNamed(state: Models, name: string): RegisteredModel | undefined {
  const modelId = state.idOfName.get(name);
  return modelId === undefined ? undefined : state.byId.get(modelId);
}

/** The refusal to do anything with a model that is not registered. */
export function modelNotFound(name: string): { kind: 'reject'; rejection: Rejection<'MR_REGISTRY_MODEL_NOT_FOUND'> } {
  return reject('MR_REGISTRY_MODEL_NOT_FOUND', `Registered Model with name=${name} not found`, { name });
}

function nameTaken(name: string): ModelsDecision {
  return reject('MR_REGISTRY_MODEL_NAME_TAKEN', `Registered Model (name=${name}) already exists.`, { name });
}
