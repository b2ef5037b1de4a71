import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import { bindingKey, evolveGateway, type Gateway, type GatewayEndpoint } from './gateway.js';
import type * as events from './gateway.events.js';

export const GATEWAY = 'gateway/catalog';

/** All of the gateway is one state, which has to stay small enough to be read at once. */
export const MOST = { secrets: 500, definitions: 1000, endpoints: 1000, models: 50, bindings: 1000, tags: 100 } as const;

export type GatewayCommand =
  | (Command<'CreateGatewaySecret'> & events.GatewaySecretCreated)
  | (Command<'UpdateGatewaySecret'> & events.GatewaySecretUpdated)
  | (Command<'DeleteGatewaySecret'> & { readonly secretId: string })
  | (Command<'CreateGatewayModelDefinition'> & events.GatewayModelDefinitionCreated)
  | (Command<'UpdateGatewayModelDefinition'> & events.GatewayModelDefinitionUpdated)
  | (Command<'DeleteGatewayModelDefinition'> & { readonly modelDefinitionId: string })
  | (Command<'CreateGatewayEndpoint'> & events.GatewayEndpointCreated)
  | (Command<'UpdateGatewayEndpoint'> & events.GatewayEndpointUpdated)
  | (Command<'DeleteGatewayEndpoint'> & { readonly endpointId: string })
  | (Command<'AttachGatewayModel'> & events.GatewayModelAttached)
  | (Command<'DetachGatewayModel'> & { readonly endpointId: string; readonly modelDefinitionId: string })
  | (Command<'BindGatewayEndpoint'> & events.GatewayEndpointBound)
  | (Command<'UnbindGatewayEndpoint'> & events.GatewayEndpointUnbound)
  | (Command<'TagGatewayEndpoint'> & events.GatewayEndpointTagged)
  | (Command<'UntagGatewayEndpoint'> & events.GatewayEndpointUntagged);

export type GatewayRejection = Rejection<
  | 'MR_TRACKING_GATEWAY_NOT_FOUND'
  | 'MR_TRACKING_GATEWAY_NAME_TAKEN'
  | 'MR_TRACKING_GATEWAY_ATTACHED'
  | 'MR_TRACKING_GATEWAY_IN_USE'
  | 'MR_TRACKING_GATEWAY_FULL'
  | 'MR_TRACKING_GATEWAY_NO_PRIMARY'
>;

type GatewayDecision = Decision<events.GatewayEvent, GatewayRejection>;
type Refusal = Extract<GatewayDecision, { readonly kind: 'reject' }>;

/** The gateway to language models: secrets, the models they open, and the endpoints that lead to these. A name is one thing of its kind. */
export const gateway: Decider<Gateway, GatewayCommand, events.GatewayEvent, GatewayRejection> = {
  initial: () => ({ secrets: new Map(), definitions: new Map(), endpoints: new Map() }),

  evolve: evolveGateway,

  decide(command, state): GatewayDecision {
    switch (command.type) {
      case 'CreateGatewaySecret': {
        const { type: _, ...created } = command;
        if (state.secrets.has(created.secretId)) return unchanged;
        const refusal = taken(state.secrets, 'secret', created.name) ?? full(state.secrets.size, MOST.secrets, 'secrets');
        return refusal ?? accept('GatewaySecretCreated', created);
      }
      case 'UpdateGatewaySecret': {
        const { type: _, ...updated } = command;
        return missing(state.secrets, 'secret', updated.secretId) ?? accept('GatewaySecretUpdated', updated);
      }
      case 'DeleteGatewaySecret':
        return missing(state.secrets, 'secret', command.secretId) ?? accept('GatewaySecretDeleted', { secretId: command.secretId });
      case 'CreateGatewayModelDefinition': {
        const { type: _, ...created } = command;
        if (state.definitions.has(created.modelDefinitionId)) return unchanged;
        const refusal =
          missing(state.secrets, 'secret', created.secretId) ??
          taken(state.definitions, 'model definition', created.name) ??
          full(state.definitions.size, MOST.definitions, 'model definitions');
        return refusal ?? accept('GatewayModelDefinitionCreated', created);
      }
      case 'UpdateGatewayModelDefinition': {
        const { type: _, ...updated } = command;
        const { modelDefinitionId: id, secretId, name } = updated;
        const refusal =
          missing(state.definitions, 'model definition', id) ??
          (secretId === null ? undefined : missing(state.secrets, 'secret', secretId)) ??
          (name === null ? undefined : taken(state.definitions, 'model definition', name, id));
        return refusal ?? accept('GatewayModelDefinitionUpdated', updated);
      }
      case 'DeleteGatewayModelDefinition': {
        const { modelDefinitionId: id } = command;
        const refusal = missing(state.definitions, 'model definition', id) ?? inUse(state, id);
        return refusal ?? accept('GatewayModelDefinitionDeleted', { modelDefinitionId: id });
      }
      case 'CreateGatewayEndpoint': {
        const { type: _, ...created } = command;
        if (state.endpoints.has(created.endpointId)) return unchanged;
        const refusal =
          wrongModels(state, created.models) ??
          taken(state.endpoints, 'endpoint', created.name) ??
          full(state.endpoints.size, MOST.endpoints, 'endpoints');
        return refusal ?? accept('GatewayEndpointCreated', created);
      }
      default:
        return missing(state.endpoints, 'endpoint', command.endpointId) ?? decideEndpoint(command, state);
    }
  },
};

type EndpointCommand = Exclude<Extract<GatewayCommand, { readonly endpointId: string }>, { readonly type: 'CreateGatewayEndpoint' }>;

function decideEndpoint(command: EndpointCommand, state: Gateway): GatewayDecision {
  const { endpointId } = command;
  const endpoint = state.endpoints.get(endpointId) as GatewayEndpoint;
  switch (command.type) {
    case 'UpdateGatewayEndpoint': {
      const { type: _, ...updated } = command;
      const refusal =
        (updated.models === null ? undefined : wrongModels(state, updated.models)) ??
        (updated.name === null ? undefined : taken(state.endpoints, 'endpoint', updated.name, endpointId));
      return refusal ?? accept('GatewayEndpointUpdated', updated);
    }
    case 'DeleteGatewayEndpoint':
      return accept('GatewayEndpointDeleted', { endpointId });
    case 'AttachGatewayModel': {
      const { type: _, ...attached } = command;
      const { modelDefinitionId: id, linkage } = attached.model;
      const refusal =
        missing(state.definitions, 'model definition', id) ?? full(endpoint.models.length, MOST.models, 'models of an endpoint');
      if (refusal) return refusal;
      if (endpoint.models.some((model) => model.modelDefinitionId === id && model.linkage === linkage)) return attachedAlready(id, linkage);
      return accept('GatewayModelAttached', attached);
    }
    case 'DetachGatewayModel': {
      const mapped = endpoint.models.find(({ modelDefinitionId }) => modelDefinitionId === command.modelDefinitionId);
      if (!mapped)
        return notFound(`Model definition '${command.modelDefinitionId}' is not attached to the gateway endpoint '${endpointId}'.`);
      return accept('GatewayModelDetached', { endpointId, mappingId: mapped.mappingId });
    }
    case 'BindGatewayEndpoint': {
      const { type: _, ...bound } = command;
      if (endpoint.bindings.has(bindingKey(bound))) {
        const message = `The gateway endpoint '${endpointId}' is bound to the ${bound.resourceType} '${bound.resourceId}' already.`;
        return reject('MR_TRACKING_GATEWAY_ATTACHED', message);
      }
      return full(endpoint.bindings.size, MOST.bindings, 'bindings of an endpoint') ?? accept('GatewayEndpointBound', bound);
    }
    case 'UnbindGatewayEndpoint': {
      const { resourceType, resourceId } = command;
      if (!endpoint.bindings.has(bindingKey(command)))
        return notFound(`The gateway endpoint '${endpointId}' is not bound to a ${resourceType} '${resourceId}'.`);
      return accept('GatewayEndpointUnbound', { endpointId, resourceType, resourceId });
    }
    case 'TagGatewayEndpoint': {
      const { key, value } = command;
      if (endpoint.tags.get(key) === value) return unchanged;
      const refusal = endpoint.tags.has(key) ? undefined : full(endpoint.tags.size, MOST.tags, 'tags of an endpoint');
      return refusal ?? accept('GatewayEndpointTagged', { endpointId, key, value });
    }
    case 'UntagGatewayEndpoint':
      return endpoint.tags.has(command.key) ? accept('GatewayEndpointUntagged', { endpointId, key: command.key }) : unchanged;
  }
}

function notFound(message: string): Refusal {
  return reject('MR_TRACKING_GATEWAY_NOT_FOUND', message);
}

function missing(those: ReadonlyMap<string, unknown>, what: string, id: string): Refusal | undefined {
  return those.has(id) ? undefined : notFound(`There is no gateway ${what} '${id}'.`);
}

function taken(those: ReadonlyMap<string, { readonly name: string }>, what: string, name: string, but?: string): Refusal | undefined {
  for (const [id, one] of those) {
    if (one.name === name && id !== but)
      return reject('MR_TRACKING_GATEWAY_NAME_TAKEN', `A gateway ${what} with the name '${name}' exists already (${id}).`, { name });
  }
  return undefined;
}

function full(size: number, most: number, what: string): Refusal | undefined {
  if (size < most) return undefined;
  return reject('MR_TRACKING_GATEWAY_FULL', `There are ${size} ${what}, the most there may be; remove some first.`);
}

function inUse({ endpoints }: Gateway, definitionId: string): Refusal | undefined {
  const users = [...endpoints.values()].filter(({ models }) => models.some(({ modelDefinitionId: id }) => id === definitionId));
  if (users.length === 0) return undefined;
  const names = users.slice(0, 5).map(({ name }) => `'${name}'`);
  const message = `Model definition '${definitionId}' is in use by ${users.length} gateway endpoints (${names.join(', ')}${users.length > 5 ? ', …' : ''}); detach it from them first.`;
  return reject('MR_TRACKING_GATEWAY_IN_USE', message);
}

function attachedAlready(definitionId: string, linkage: string): Refusal {
  return reject('MR_TRACKING_GATEWAY_ATTACHED', `Model definition '${definitionId}' is there as ${linkage} already.`);
}

/** Models of a new endpoint, or those it is to have from now on. */
function wrongModels({ definitions }: Gateway, models: readonly events.GatewayModelMapping[]): Refusal | undefined {
  const seen = new Set<string>();
  for (const { modelDefinitionId: id, linkage } of models) {
    const refusal = missing(definitions, 'model definition', id);
    if (refusal) return refusal;
    if (seen.has(`${linkage} ${id}`)) return attachedAlready(id, linkage);
    seen.add(`${linkage} ${id}`);
  }
  if (!models.some(({ linkage }) => linkage === 'PRIMARY'))
    return reject(
      'MR_TRACKING_GATEWAY_NO_PRIMARY',
      'A gateway endpoint needs at least one model with linkage_type PRIMARY in model_configs.',
    );
  return full(models.length - 1, MOST.models, 'models of an endpoint');
}
