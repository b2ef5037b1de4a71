import { checkLength, type MlflowRoute } from '@millrace/mlflow-protocol';
import { bindingKey } from '../../../domain/gateway/gateway.js';
import { byWhom, give, shortText, type GatewayApi } from './context.js';
import { bindingJson } from './wire.js';

const LIMITS = { key: 250, value: 5000 } as const;

/** What uses endpoints of the gateway, and the endpoints' tags. */
export function gatewayBindingRoutes(api: GatewayApi): MlflowRoute[] {
  return [
    {
      ...{ method: 'POST', path: 'gateway/endpoints/bindings/create', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const endpointId = fields.requiredString('endpoint_id');
        const resource = { resourceType: shortText(fields, 'resource_type'), resourceId: shortText(fields, 'resource_id') };
        const by = byWhom(request, fields, 'created_by', metadata);
        await give(api, { command: { type: 'BindGatewayEndpoint', endpointId, ...resource, by }, metadata, reply });
        await api.upToDate();
        const binding = api.gateway().endpoints.get(endpointId)?.bindings.get(bindingKey(resource));
        const { now } = metadata;
        return {
          binding: bindingJson(binding ?? { endpointId, ...resource, createdAt: now, updatedAt: now, createdBy: by, updatedBy: by }),
        };
      },
    },
    {
      ...{ method: 'DELETE', path: 'gateway/endpoints/bindings/delete', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const endpointId = fields.requiredString('endpoint_id');
        const resource = { resourceType: fields.requiredString('resource_type'), resourceId: fields.requiredString('resource_id') };
        await give(api, { command: { type: 'UnbindGatewayEndpoint', endpointId, ...resource }, metadata: api.metadata(request), reply });
        return undefined;
      },
    },
    {
      ...{ method: 'GET', path: 'gateway/endpoints/bindings/list', api: '3.0' },
      handle: async ({ fields }) => {
        const [endpointId, resourceType, resourceId] = ['endpoint_id', 'resource_type', 'resource_id'].map(
          (name) => fields.string(name) || undefined,
        );
        await api.upToDate();
        const all = [...api.gateway().endpoints.values()].flatMap(({ bindings }) => [...bindings.values()]);
        const found = all.filter(
          (one) =>
            (endpointId === undefined || one.endpointId === endpointId) &&
            (resourceType === undefined || one.resourceType === resourceType) &&
            (resourceId === undefined || one.resourceId === resourceId),
        );
        return { bindings: found.map(bindingJson) };
      },
    },
    {
      ...{ method: 'POST', path: 'gateway/endpoints/set-tag', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const [endpointId, key] = [fields.requiredString('endpoint_id'), fields.requiredString('key')];
        const value = fields.string('value') ?? '';
        checkLength('Tag key', LIMITS.key, key);
        checkLength('Tag value', LIMITS.value, value);
        await give(api, { command: { type: 'TagGatewayEndpoint', endpointId, key, value }, metadata: api.metadata(request), reply });
        return undefined;
      },
    },
    {
      ...{ method: 'DELETE', path: 'gateway/endpoints/delete-tag', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const [endpointId, key] = [fields.requiredString('endpoint_id'), fields.requiredString('key')];
        await give(api, { command: { type: 'UntagGatewayEndpoint', endpointId, key }, metadata: api.metadata(request), reply });
        return undefined;
      },
    },
  ];
}
