import type { EventContext } from '@millrace/kernel';
import type { GatewayEvent, GatewayFallback, GatewayModelMapping, GatewaySecretCreated } from './gateway.events.js';

interface Stamps {
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  readonly createdBy: string | null;
  updatedBy: string | null;
}

export interface GatewaySecret extends Stamps {
  readonly secretId: string;
  readonly name: string;
  readonly provider: string | null;
  authConfig: GatewaySecretCreated['authConfig'];
  sealedValues: string;
  maskedValues: GatewaySecretCreated['maskedValues'];
}

export interface GatewayModelDefinition extends Stamps {
  readonly modelDefinitionId: string;
  name: string;
  /** `null`: it was deleted. */
  secretId: string | null;
  provider: string;
  modelName: string;
}

export interface MappedModel extends GatewayModelMapping {
  readonly createdAt: number;
  readonly createdBy: string | null;
}

export interface GatewayBinding extends Stamps {
  readonly endpointId: string;
  readonly resourceType: string;
  readonly resourceId: string;
}

export interface GatewayEndpoint extends Stamps {
  readonly endpointId: string;
  name: string;
  models: MappedModel[];
  routingStrategy: 'REQUEST_BASED_TRAFFIC_SPLIT' | null;
  fallback: GatewayFallback | null;
  experimentId: string | null;
  usageTracking: boolean;
  readonly tags: Map<string, string>;
  /** By {@link bindingKey}. */
  readonly bindings: Map<string, GatewayBinding>;
}

/** All of the gateway to language models, each kind by its ids. */
export interface Gateway {
  readonly secrets: Map<string, GatewaySecret>;
  readonly definitions: Map<string, GatewayModelDefinition>;
  readonly endpoints: Map<string, GatewayEndpoint>;
}

export function bindingKey({ resourceType, resourceId }: { readonly resourceType: string; readonly resourceId: string }): string {
  return `${resourceType}/${resourceId}`;
}

/** What becomes of the gateway by an event. An event about what is not there changes nothing: it cannot be, and must not stop the fold. */
export function evolveGateway(state: Gateway, event: GatewayEvent, { time }: Pick<EventContext, 'time'>): Gateway {
  const { secrets, definitions, endpoints } = state;
  const stamps = (by: string | null): Stamps => ({ createdAt: time, updatedAt: time, createdBy: by, updatedBy: by });
  switch (event.type) {
    case 'GatewaySecretCreated': {
      const { by, ...secret } = event.data;
      secrets.set(secret.secretId, { ...secret, ...stamps(by) });
      return state;
    }
    case 'GatewaySecretUpdated': {
      const { secretId, by, authConfig, sealedValues, maskedValues } = event.data;
      const secret = secrets.get(secretId);
      if (!secret) return state;
      secret.authConfig = authConfig ?? secret.authConfig;
      secret.sealedValues = sealedValues ?? secret.sealedValues;
      secret.maskedValues = maskedValues ?? secret.maskedValues;
      touch(secret, time, by);
      return state;
    }
    case 'GatewaySecretDeleted':
      secrets.delete(event.data.secretId);
      for (const definition of definitions.values()) if (definition.secretId === event.data.secretId) definition.secretId = null;
      return state;
    case 'GatewayModelDefinitionCreated': {
      const { by, ...definition } = event.data;
      definitions.set(definition.modelDefinitionId, { ...definition, ...stamps(by) });
      return state;
    }
    case 'GatewayModelDefinitionUpdated': {
      const { modelDefinitionId, by, name, secretId, provider, modelName } = event.data;
      const definition = definitions.get(modelDefinitionId);
      if (!definition) return state;
      definition.name = name ?? definition.name;
      definition.secretId = secretId ?? definition.secretId;
      definition.provider = provider ?? definition.provider;
      definition.modelName = modelName ?? definition.modelName;
      touch(definition, time, by);
      return state;
    }
    case 'GatewayModelDefinitionDeleted':
      definitions.delete(event.data.modelDefinitionId);
      return state;
    case 'GatewayEndpointCreated': {
      const { by, models, ...endpoint } = event.data;
      const mapped = models.map((model) => ({ ...model, createdAt: time, createdBy: by }));
      endpoints.set(endpoint.endpointId, { ...endpoint, ...stamps(by), models: mapped, tags: new Map(), bindings: new Map() });
      return state;
    }
    case 'GatewayEndpointDeleted':
      endpoints.delete(event.data.endpointId);
      return state;
    default: {
      const endpoint = endpoints.get(event.data.endpointId);
      if (endpoint) evolveEndpoint(endpoint, event, time);
      return state;
    }
  }
}

type EndpointEvent = Extract<
  GatewayEvent,
  {
    readonly type:
      | 'GatewayEndpointUpdated'
      | 'GatewayModelAttached'
      | 'GatewayModelDetached'
      | 'GatewayEndpointBound'
      | 'GatewayEndpointUnbound'
      | 'GatewayEndpointTagged'
      | 'GatewayEndpointUntagged';
  }
>;

function evolveEndpoint(endpoint: GatewayEndpoint, event: EndpointEvent, time: number): void {
  switch (event.type) {
    case 'GatewayEndpointUpdated': {
      const { name, models, routingStrategy, fallback, experimentId, usageTracking, by } = event.data;
      endpoint.name = name ?? endpoint.name;
      endpoint.models = models?.map((model) => ({ ...model, createdAt: time, createdBy: by })) ?? endpoint.models;
      endpoint.routingStrategy = routingStrategy ?? endpoint.routingStrategy;
      endpoint.fallback = fallback ?? endpoint.fallback;
      endpoint.experimentId = experimentId ?? endpoint.experimentId;
      endpoint.usageTracking = usageTracking ?? endpoint.usageTracking;
      touch(endpoint, time, by);
      return;
    }
    case 'GatewayModelAttached':
      endpoint.models.push({ ...event.data.model, createdAt: time, createdBy: event.data.by });
      touch(endpoint, time, event.data.by);
      return;
    case 'GatewayModelDetached':
      endpoint.models = endpoint.models.filter(({ mappingId }) => mappingId !== event.data.mappingId);
      return;
    case 'GatewayEndpointBound': {
      const { by, ...binding } = event.data;
      endpoint.bindings.set(bindingKey(binding), { ...binding, createdAt: time, updatedAt: time, createdBy: by, updatedBy: by });
      return;
    }
    case 'GatewayEndpointUnbound':
      endpoint.bindings.delete(bindingKey(event.data));
      return;
    case 'GatewayEndpointTagged':
      endpoint.tags.set(event.data.key, event.data.value);
      return;
    case 'GatewayEndpointUntagged':
      endpoint.tags.delete(event.data.key);
      return;
  }
}

function touch(one: Stamps, time: number, by: string | null): void {
  one.updatedAt = time;
  one.updatedBy = by ?? one.updatedBy;
}
