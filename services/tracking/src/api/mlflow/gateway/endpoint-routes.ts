import { invalid, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { CommandMetadata } from '@millrace/kernel';
import type { GatewayEndpoint, MappedModel } from '../../../domain/gateway/gateway.js';
import { gateway, GATEWAY, type GatewayCommand } from '../../../domain/gateway/gateway.decider.js';
import { byWhom, endpointNameOf, give, oneOf, rejected, type GatewayApi } from './context.js';
import { fallbackOf, mappingOf, routingStrategyOf, usageTrackingOf } from './endpoint-fields.js';
import { endpointJson, mappingJson } from './wire.js';

/** Endpoints that lead to language models. */
export function gatewayEndpointRoutes(api: GatewayApi): MlflowRoute[] {
  const endpointOf = async (endpointId: string): Promise<GatewayEndpoint | undefined> => {
    await api.upToDate();
    return api.gateway().endpoints.get(endpointId);
  };
  const shown = async (endpointId: string): Promise<object> => ({
    endpoint: endpointJson(api.gateway(), (await endpointOf(endpointId)) as GatewayEndpoint),
  });
  const modelsOf = (fields: Fields, metadata: CommandMetadata) =>
    fields.messages('model_configs').map((config, index) => mappingOf(config, `m-${api.newId(metadata, `gateway-mapping-${index}`)}`));
  return [
    {
      ...{ method: 'POST', path: 'gateway/endpoints/create', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const endpointId = `e-${api.newId(metadata, 'gateway-endpoint')}`;
        const name = endpointNameOf(fields.requiredString('name'));
        const models = modelsOf(fields, metadata);
        if (models.length === 0) throw fields.missing('model_configs');
        const usageTracking = usageTrackingOf(fields) ?? true;
        const experimentId = await experimentIdOf(api, fields);
        const command: GatewayCommand = {
          ...{ type: 'CreateGatewayEndpoint', endpointId, name, models, routingStrategy: routingStrategyOf(fields) },
          ...{ fallback: fallbackOf(fields) ?? implied(models), experimentId, usageTracking },
          by: byWhom(request, fields, 'created_by', metadata),
        };
        const traced = usageTracking && experimentId === null;
        if (traced) await refuseEarly(api, command, metadata);
        const of = traced ? { experimentId: await tracesOf(api, { endpointId, name }, metadata) } : {};
        await give(api, { command: { ...command, ...of }, metadata, reply });
        return shown(endpointId);
      },
    },
    {
      ...{ method: 'GET', path: 'gateway/endpoints/get', api: '3.0' },
      handle: async ({ fields }) => {
        await api.upToDate();
        const names = { what: 'endpoint', idField: 'endpoint_id', nameField: 'name' };
        return { endpoint: endpointJson(api.gateway(), oneOf(fields, api.gateway().endpoints, names)) };
      },
    },
    {
      ...{ method: 'POST', path: 'gateway/endpoints/update', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const endpointId = fields.requiredString('endpoint_id');
        const name = fields.string('name') ? endpointNameOf(fields.requiredString('name')) : null;
        const models = modelsOf(fields, metadata);
        const usageTracking = usageTrackingOf(fields);
        const experimentId = await experimentIdOf(api, fields);
        const command: GatewayCommand = {
          ...{ type: 'UpdateGatewayEndpoint', endpointId, name, models: models.length > 0 ? models : null },
          ...{ routingStrategy: routingStrategyOf(fields), fallback: fallbackOf(fields), experimentId, usageTracking },
          by: byWhom(request, fields, 'updated_by', metadata),
        };
        const endpoint = await endpointOf(endpointId);
        const traced = usageTracking === true && experimentId === null && endpoint?.experimentId === null;
        if (traced) await refuseEarly(api, command, metadata);
        const of = traced ? { experimentId: await tracesOf(api, { endpointId, name: name ?? endpoint.name }, metadata) } : {};
        await give(api, { command: { ...command, ...of }, metadata, reply });
        return shown(endpointId);
      },
    },
    {
      ...{ method: 'DELETE', path: 'gateway/endpoints/delete', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const command = { type: 'DeleteGatewayEndpoint', endpointId: fields.requiredString('endpoint_id') } as const;
        await give(api, { command, metadata: api.metadata(request), reply });
        return undefined;
      },
    },
    {
      ...{ method: 'GET', path: 'gateway/endpoints/list', api: '3.0' },
      handle: async ({ fields }) => {
        const [provider, secretId] = [fields.string('provider') || undefined, fields.string('secret_id') || undefined];
        await api.upToDate();
        const { definitions, endpoints } = api.gateway();
        const fits = ({ modelDefinitionId }: MappedModel): boolean => {
          const definition = definitions.get(modelDefinitionId);
          return (
            (provider === undefined || definition?.provider === provider) && (secretId === undefined || definition?.secretId === secretId)
          );
        };
        const isAsked = provider !== undefined || secretId !== undefined;
        const found = [...endpoints.values()].filter(({ models }) => !isAsked || models.some(fits));
        return { endpoints: found.map((one) => endpointJson(api.gateway(), one)) };
      },
    },
    {
      ...{ method: 'POST', path: 'gateway/endpoints/models/attach', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const endpointId = fields.requiredString('endpoint_id');
        const config = fields.message('model_config');
        if (!config) throw fields.missing('model_config');
        const model = mappingOf(config, `m-${api.newId(metadata, 'gateway-mapping')}`);
        const by = byWhom(request, fields, 'created_by', metadata);
        await give(api, { command: { type: 'AttachGatewayModel', endpointId, model, by }, metadata, reply });
        const mapped = { ...model, createdAt: metadata.now, createdBy: by };
        await api.upToDate();
        return { mapping: mappingJson(api.gateway(), endpointId, mapped) };
      },
    },
    {
      ...{ method: 'POST', path: 'gateway/endpoints/models/detach', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const [endpointId, modelDefinitionId] = [fields.requiredString('endpoint_id'), fields.requiredString('model_definition_id')];
        const command = { type: 'DetachGatewayModel', endpointId, modelDefinitionId } as const;
        await give(api, { command, metadata: api.metadata(request), reply });
        return undefined;
      },
    },
  ];
}

/** An endpoint with fallbacks has a configuration of them, if only an empty one: clients look for it. */
function implied(models: readonly { readonly linkage: string }[]) {
  return models.some(({ linkage }) => linkage === 'FALLBACK') ? { strategy: null, maxAttempts: null } : null;
}

async function experimentIdOf(api: GatewayApi, fields: Fields): Promise<string | null> {
  const experimentId = fields.string('experiment_id') || null;
  if (experimentId !== null) await api.experiment(experimentId);
  return experimentId;
}

/** Refuses what would be refused, before an experiment is made for it. */
async function refuseEarly(api: GatewayApi, command: GatewayCommand, { commandId, now: time, actor }: CommandMetadata): Promise<void> {
  await api.upToDate();
  const decision = gateway.decide(command, api.gateway(), { subject: GATEWAY, commandId, time, actor });
  if (decision.kind === 'reject') throw rejected(decision.rejection);
}

/** The experiment that traces of an endpoint's calls belong to, where the client names none. */
async function tracesOf(
  api: GatewayApi,
  { endpointId, name }: { readonly endpointId: string; readonly name: string },
  metadata: CommandMetadata,
): Promise<string> {
  const tags = {
    'mlflow.experiment.sourceType': 'GATEWAY',
    'mlflow.experiment.sourceId': endpointId,
    'mlflow.experiment.isGateway': 'true',
  };
  const experimentId = await api.experimentNamed(`gateway/${name}`, tags, metadata);
  if (experimentId === null) {
    throw invalid(
      `The experiment 'gateway/${name}', which the endpoint's traces would belong to, is deleted: restore it, or give experiment_id or usage_tracking false.`,
    );
  }
  return experimentId;
}
