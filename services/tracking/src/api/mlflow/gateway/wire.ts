import type {
  Gateway,
  GatewayBinding,
  GatewayEndpoint,
  GatewayModelDefinition,
  GatewaySecret,
  MappedModel,
} from '../../../domain/gateway/gateway.js';

/** Without its values, which never leave; what may be shown of them is there. */
export function secretJson(secret: GatewaySecret): object {
  return {
    ...{ secret_id: secret.secretId, secret_name: secret.name, masked_values: secret.maskedValues },
    ...given('provider', secret.provider),
    ...(Object.keys(secret.authConfig).length === 0 ? {} : { auth_config: secret.authConfig }),
    ...stampsJson(secret),
  };
}

export function definitionJson({ secrets }: Gateway, definition: GatewayModelDefinition): object {
  const secret = definition.secretId === null ? undefined : secrets.get(definition.secretId);
  return {
    ...{ model_definition_id: definition.modelDefinitionId, name: definition.name },
    ...(secret ? { secret_id: secret.secretId, secret_name: secret.name } : {}),
    ...{ provider: definition.provider, model_name: definition.modelName },
    ...stampsJson(definition),
  };
}

export function mappingJson(gateway: Gateway, endpointId: string, model: MappedModel): object {
  const definition = gateway.definitions.get(model.modelDefinitionId);
  return {
    ...{ mapping_id: model.mappingId, endpoint_id: endpointId, model_definition_id: model.modelDefinitionId },
    ...(definition ? { model_definition: definitionJson(gateway, definition) } : {}),
    ...{ weight: model.weight, linkage_type: model.linkage, created_at: model.createdAt },
    ...(model.fallbackOrder === null ? {} : { fallback_order: model.fallbackOrder }),
    ...given('created_by', model.createdBy),
  };
}

export function endpointJson(gateway: Gateway, endpoint: GatewayEndpoint): object {
  const { fallback } = endpoint;
  return {
    ...{ endpoint_id: endpoint.endpointId, name: endpoint.name },
    model_mappings: endpoint.models.map((model) => mappingJson(gateway, endpoint.endpointId, model)),
    tags: Array.from(endpoint.tags, ([key, value]) => ({ key, value })),
    ...given('routing_strategy', endpoint.routingStrategy),
    ...(fallback === null
      ? {}
      : { fallback_config: { ...given('strategy', fallback.strategy), ...given('max_attempts', fallback.maxAttempts) } }),
    ...given('experiment_id', endpoint.experimentId),
    usage_tracking: endpoint.usageTracking,
    ...stampsJson(endpoint),
  };
}

export function bindingJson(binding: GatewayBinding): object {
  return {
    ...{ endpoint_id: binding.endpointId, resource_type: binding.resourceType, resource_id: binding.resourceId },
    ...stampsJson(binding),
  };
}

function stampsJson(one: Pick<GatewaySecret, 'createdAt' | 'updatedAt' | 'createdBy' | 'updatedBy'>): object {
  return {
    ...{ created_at: one.createdAt, last_updated_at: one.updatedAt },
    ...given('created_by', one.createdBy),
    ...given('last_updated_by', one.updatedBy),
  };
}

function given(name: string, value: string | number | null): object {
  return value === null ? {} : { [name]: value };
}
