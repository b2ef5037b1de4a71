import type { MlflowRoute } from '@millrace/mlflow-protocol';
import type { GatewayModelDefinition } from '../../../domain/gateway/gateway.js';
import { byWhom, give, oneOf, optionalShortText, shortText, type GatewayApi } from './context.js';
import { definitionJson } from './wire.js';

/** Language models of providers, each with the secret that opens it. */
export function gatewayDefinitionRoutes(api: GatewayApi): MlflowRoute[] {
  const shown = async (id: string): Promise<object> => {
    await api.upToDate();
    return { model_definition: definitionJson(api.gateway(), api.gateway().definitions.get(id) as GatewayModelDefinition) };
  };
  return [
    {
      ...{ method: 'POST', path: 'gateway/model-definitions/create', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const modelDefinitionId = `d-${api.newId(metadata, 'gateway-model-definition')}`;
        const command = {
          ...({ type: 'CreateGatewayModelDefinition', modelDefinitionId, name: shortText(fields, 'name') } as const),
          ...{ secretId: fields.requiredString('secret_id'), provider: shortText(fields, 'provider') },
          ...{ modelName: shortText(fields, 'model_name'), by: byWhom(request, fields, 'created_by', metadata) },
        };
        await give(api, { command, metadata, reply });
        return shown(modelDefinitionId);
      },
    },
    {
      ...{ method: 'GET', path: 'gateway/model-definitions/get', api: '3.0' },
      handle: async ({ fields }) => {
        await api.upToDate();
        const names = { what: 'model definition', idField: 'model_definition_id', nameField: 'name' };
        return { model_definition: definitionJson(api.gateway(), oneOf(fields, api.gateway().definitions, names)) };
      },
    },
    {
      ...{ method: 'GET', path: 'gateway/model-definitions/list', api: '3.0' },
      handle: async ({ fields }) => {
        const [provider, secretId] = [fields.string('provider') || undefined, fields.string('secret_id') || undefined];
        await api.upToDate();
        const found = [...api.gateway().definitions.values()].filter(
          (one) => (provider === undefined || one.provider === provider) && (secretId === undefined || one.secretId === secretId),
        );
        return { model_definitions: found.map((one) => definitionJson(api.gateway(), one)) };
      },
    },
    {
      ...{ method: 'POST', path: 'gateway/model-definitions/update', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const modelDefinitionId = fields.requiredString('model_definition_id');
        const command = {
          ...({ type: 'UpdateGatewayModelDefinition', modelDefinitionId, name: optionalShortText(fields, 'name') } as const),
          ...{ secretId: fields.string('secret_id') || null, provider: optionalShortText(fields, 'provider') },
          ...{ modelName: optionalShortText(fields, 'model_name'), by: byWhom(request, fields, 'updated_by', metadata) },
        };
        await give(api, { command, metadata, reply });
        return shown(modelDefinitionId);
      },
    },
    {
      ...{ method: 'DELETE', path: 'gateway/model-definitions/delete', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const command = { type: 'DeleteGatewayModelDefinition', modelDefinitionId: fields.requiredString('model_definition_id') } as const;
        await give(api, { command, metadata: api.metadata(request), reply });
        return undefined;
      },
    },
  ];
}
