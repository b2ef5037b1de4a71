import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { logisticRegression } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';

const POLICY = `
apiVersion: millrace.dev/v1
kind: Policy
metadata: {name: champions}
spec: {models: [delay], aliases: [champion], approvals: 0, checks: [{name: serves, type: servable}]}
`;

interface Promotion {
  readonly request: number;
  readonly status: string;
  readonly unmet?: readonly { readonly check?: string; readonly message: string }[];
}

let temp: TempDir;
let platform: RunningService;

beforeAll(async () => {
  temp = await tempDir('serving-gate');
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    MILLRACE_LOG_LEVEL: 'error',
  };
  platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
}, 120_000);
afterAll(async () => {
  await platform.close();
  await temp.remove();
});

async function send(method: string, path: string, body?: object | string | Uint8Array): Promise<never> {
  const isText = typeof body === 'string' || body instanceof Uint8Array;
  const init = body === undefined ? {} : { body: isText ? (body as string) : JSON.stringify(body) };
  const type = body instanceof Uint8Array ? 'application/octet-stream' : typeof body === 'string' ? 'application/yaml' : 'application/json';
  const headers = { 'content-type': type, 'millrace-actor': 'ann' };
  const response = await fetch(`${platform.url}${path}`, { method, headers, ...init });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as never;
}

async function register(bytes: Uint8Array): Promise<string> {
  const { run } = (await send('POST', '/api/2.0/mlflow/runs/create', { experiment_id: '0', start_time: Date.now() })) as {
    run: { info: { artifact_uri: string } };
  };
  const uri = run.info.artifact_uri;
  const path = uri.replace(/^mlflow-artifacts:\/+/, '');
  await send('PUT', `/api/2.0/mlflow-artifacts/artifacts/${path}/model/model.onnx`, bytes);
  const created = (await send('POST', '/api/2.0/mlflow/model-versions/create', { name: 'delay', source: `${uri}/model` })) as {
    model_version: { version: string };
  };
  return created.model_version.version;
}

async function request(version: string): Promise<Promotion> {
  const promotion = { version: Number(version), alias: 'champion', reason: 'it is better' };
  return await send('POST', '/api/v1/models/delay/promotions', promotion);
}

const shown = async ({ request: id }: Promotion): Promise<Promotion> => await send('GET', `/api/v1/models/delay/promotions/${id}`);

test('what no gateway can serve is not promoted, and says why; what one can is, as soon as it was tried', async () => {
  await send('POST', '/api/v1/apply', POLICY);
  await send('POST', '/api/2.0/mlflow/registered-models/create', { name: 'delay' });
  const broken = await register(Buffer.from('no graph at all'));
  const sound = await register(logisticRegression({ features: ['x'], weights: [1], bias: 0, mean: [0], scale: [1] }));

  const refused = await request(broken);
  const told = await waitFor(async () => {
    const [unmet] = (await shown(refused)).unmet ?? [];
    return unmet?.message.includes('failed') && unmet;
  });
  expect(told).toMatchObject({ check: 'serves', message: expect.stringMatching(/^check serves failed: no gateway can serve it: .+/) });

  const asked = await request(sound);
  await waitFor(async () => (await shown(asked)).status === 'promoted', { what: 'the version to be promoted' });
  const alias = (await send('GET', '/api/2.0/mlflow/registered-models/alias?name=delay&alias=champion')) as {
    model_version: { version: string };
  };
  expect(alias.model_version.version).toBe(sound);
  expect((await shown(refused)).status).toBe('open');
}, 120_000);
