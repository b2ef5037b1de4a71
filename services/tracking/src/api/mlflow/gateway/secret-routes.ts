import { invalid, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { GatewaySecret } from '../../../domain/gateway/gateway.js';
import { byWhom, give, oneOf, optionalShortText, shortText, type GatewayApi } from './context.js';
import { secretJson } from './wire.js';

/** A service account's key file is the longest there is. */
const MOST_SECRET_BYTES = 10_000;
const MOST_CONFIG_BYTES = 10_000;
/** Of a shorter value, three characters and four would be too much of it. */
const LEAST_SHOWN = 12;

/** Secrets that open providers of language models. What is in them is never shown again. */
export function gatewaySecretRoutes(api: GatewayApi): MlflowRoute[] {
  const secretOf = async (secretId: string): Promise<GatewaySecret> => {
    await api.upToDate();
    return api.gateway().secrets.get(secretId) as GatewaySecret;
  };
  return [
    {
      ...{ method: 'POST', path: 'gateway/secrets/create', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const secretId = `s-${api.newId(metadata, 'gateway-secret')}`;
        const values = valuesOf(fields);
        if (!values) throw fields.missing('secret_value');
        const command = {
          ...({ type: 'CreateGatewaySecret', secretId, name: shortText(fields, 'secret_name') } as const),
          ...{ provider: optionalShortText(fields, 'provider'), authConfig: configOf(fields) ?? {} },
          ...sealed(api, values),
          by: byWhom(request, fields, 'created_by', metadata),
        };
        await give(api, { command, metadata, reply });
        return { secret: secretJson(await secretOf(secretId)) };
      },
    },
    {
      ...{ method: 'GET', path: 'gateway/secrets/get', api: '3.0' },
      handle: async ({ fields }) => {
        await api.upToDate();
        const names = { what: 'secret', idField: 'secret_id', nameField: 'secret_name' };
        return { secret: secretJson(oneOf(fields, api.gateway().secrets, names)) };
      },
    },
    {
      ...{ method: 'POST', path: 'gateway/secrets/update', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const metadata = api.metadata(request);
        const secretId = fields.requiredString('secret_id');
        const values = valuesOf(fields);
        const command = {
          ...({ type: 'UpdateGatewaySecret', secretId, authConfig: configOf(fields) ?? null } as const),
          ...(values ? sealed(api, values) : { sealedValues: null, maskedValues: null }),
          by: byWhom(request, fields, 'updated_by', metadata),
        };
        await give(api, { command, metadata, reply });
        return { secret: secretJson(await secretOf(secretId)) };
      },
    },
    {
      ...{ method: 'DELETE', path: 'gateway/secrets/delete', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const command = { type: 'DeleteGatewaySecret', secretId: fields.requiredString('secret_id') } as const;
        await give(api, { command, metadata: api.metadata(request), reply });
        return undefined;
      },
    },
    {
      ...{ method: 'GET', path: 'gateway/secrets/list', api: '3.0' },
      handle: async ({ fields }) => {
        const provider = fields.string('provider') || undefined;
        await api.upToDate();
        const all = [...api.gateway().secrets.values()];
        return { secrets: all.filter((one) => provider === undefined || one.provider === provider).map(secretJson) };
      },
    },
    {
      ...{ method: 'GET', path: 'gateway/secrets/config', api: '3.0' },
      // The key is the installation's own; there is none that everybody knows.
      handle: async () => ({ secrets_available: api.canSeal, using_default_passphrase: false }),
    },
  ];
}

/** The values of a secret, by name. `undefined`: none are given. What is wrong with them is told without them. */
function valuesOf(fields: Fields): Readonly<Record<string, string>> | undefined {
  const values = textsOf(fields, 'secret_value');
  const size = Buffer.byteLength(JSON.stringify(values ?? {}));
  if (size > MOST_SECRET_BYTES) throw invalid(`Invalid secret_value: it has ${size} bytes, at most ${MOST_SECRET_BYTES} are kept.`);
  return values;
}

/** Settings beside the values. `undefined`: none are given. */
function configOf(fields: Fields): Readonly<Record<string, string>> | undefined {
  const config = textsOf(fields, 'auth_config');
  const size = Buffer.byteLength(JSON.stringify(config ?? {}));
  if (size > MOST_CONFIG_BYTES) throw invalid(`Invalid auth_config: it has ${size} bytes, at most ${MOST_CONFIG_BYTES} are kept.`);
  return config;
}

function textsOf(fields: Fields, name: string): Readonly<Record<string, string>> | undefined {
  const given = fields.values[name] ?? undefined;
  if (given === undefined) return undefined;
  const wrong = () => invalid(`Invalid ${name}: it is an object of texts, {"api_key": "…"}.`);
  if (typeof given !== 'object' || Array.isArray(given)) throw wrong();
  const entries = Object.entries(given as Record<string, unknown>);
  if (entries.some(([, value]) => typeof value !== 'string')) throw wrong();
  // Nothing in it is nothing given: that is how a message without the field is read.
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Record<string, string>);
}

function sealed(api: GatewayApi, values: Readonly<Record<string, string>>) {
  const sealedValues = api.seal(JSON.stringify(values));
  if (sealedValues === undefined) {
    throw invalid(
      'A secret needs a key to encrypt it with: set MILLRACE_TRACKING_GATEWAY_KEY, the same for every process of the tracking service.',
    );
  }
  const maskedValues = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, masked(value)]));
  return { sealedValues, maskedValues };
}

function masked(value: string): string {
  return value.length < LEAST_SHOWN ? '***' : `${value.slice(0, 3)}...${value.slice(-4)}`;
}
