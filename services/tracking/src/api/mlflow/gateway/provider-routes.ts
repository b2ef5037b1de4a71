import type { MlflowRoute } from '@millrace/mlflow-protocol';
import { authOf, modelsOfProviders, providerNames } from './providers.js';

/** What MLflow's UI asks to fill in its forms. */
export function gatewayProviderRoutes(): MlflowRoute[] {
  return [
    { ...{ method: 'GET', path: 'gateway/supported-providers', api: '3.0' }, handle: async () => ({ providers: providerNames() }) },
    {
      ...{ method: 'GET', path: 'gateway/supported-models', api: '3.0' },
      handle: async ({ fields }) => ({ models: modelsOfProviders(fields.string('provider') || undefined) }),
    },
    {
      ...{ method: 'GET', path: 'gateway/provider-config', api: '3.0' },
      handle: async ({ fields }) => {
        const modes = authOf(fields.requiredString('provider').slice(0, 255));
        return {
          auth_modes: modes.map(({ mode, title, description, secrets, settings }) => ({
            ...{ mode, display_name: title, description },
            ...{ secret_fields: secrets.map(fieldJson), config_fields: settings.map(fieldJson) },
          })),
          default_mode: modes[0]?.mode,
        };
      },
    },
  ];
}

function fieldJson(field: {
  readonly name: string;
  readonly description: string;
  readonly required?: boolean;
  readonly default?: string;
}): object {
  const { name, description, required = false } = field;
  return { name, type: 'string', description, required, ...(field.default === undefined ? {} : { default: field.default }) };
}
