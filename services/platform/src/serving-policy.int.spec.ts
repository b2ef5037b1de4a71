import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { logisticRegression } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';

const POLICIES = `
apiVersion: millrace.dev/v1
kind: Policy
metadata: {name: champions}
spec: {models: [delay], aliases: [champion], approvals: 0, governsServing: true}
---
apiVersion: millrace.dev/v1
kind: Policy
metadata: {name: challengers}
spec: {models: [delay], aliases: [challenger], approvals: 0}
`;
const INPUTS = { inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 1], data: [1] }] };
const WHY = (version: number): RegExp =>
  new RegExp(
    `policy champions keeps version ${version} of model "delay" from being served: it has never held alias challenger or alias champion; ` +
      `ask for it with "millrace models request delay ${version} --alias challenger"`,
  );

let temp: TempDir;
let platform: RunningService;

beforeAll(async () => {
  temp = await tempDir('serving-policy');
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    MILLRACE_LOG_LEVEL: 'fatal',
  };
  platform = await bootstrap(PlatformModule, loadConfig(platformConfig, environment), { service: 'platform' });
}, 120_000);
afterAll(async () => {
  await platform.close();
  await temp.remove();
});

async function answer(method: string, path: string, body?: object | string): Promise<{ status: number; body: never }> {
  const type = body instanceof Uint8Array ? 'application/octet-stream' : typeof body === 'string' ? 'application/yaml' : 'application/json';
  const sent = body instanceof Uint8Array || typeof body === 'string' ? (body as string) : JSON.stringify(body);
  const headers = { 'content-type': type, 'millrace-actor': 'ann' };
  const response = await fetch(`${platform.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: sent }) });
  return { status: response.status, body: JSON.parse(await response.text()) as never };
}

async function send(method: string, path: string, body?: object | string): Promise<never> {
  const { status, body: answered } = await answer(method, path, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answered)}`);
  return answered;
}

async function register(bias: number): Promise<void> {
  const { run } = (await send('POST', '/api/2.0/mlflow/runs/create', { experiment_id: '0', start_time: Date.now() })) as {
    run: { info: { artifact_uri: string } };
  };
  const uri = run.info.artifact_uri;
  const path = uri.replace(/^mlflow-artifacts:\/+/, '');
  const bytes = logisticRegression({ features: ['x'], weights: [1], bias, mean: [0], scale: [1] });
  await send('PUT', `/api/2.0/mlflow-artifacts/artifacts/${path}/model/model.onnx`, bytes);
  await send('POST', '/api/2.0/mlflow/model-versions/create', { name: 'delay', source: `${uri}/model` });
}

const apply = (yaml: string): Promise<unknown> => send('POST', '/api/v1/apply', yaml);
const deploy = (name: string, model: string): Promise<unknown> =>
  apply(`{apiVersion: millrace.dev/v1, kind: Deployment, metadata: {name: ${name}}, spec: {model: '${model}'}}`);
const promote = async (version: number, alias: string): Promise<void> => {
  expect(await send('POST', '/api/v1/models/delay/promotions', { version, alias })).toMatchObject({ status: 'promoted' });
};
const infer = (path: string) => answer('POST', `/v2/models/${path}/infer`, INPUTS);
const served = async (name: string): Promise<string> =>
  await waitFor(async () => {
    const { status, body } = await infer(name);
    return status === 200 && (body as { model_version: string }).model_version;
  });
const indexed = async (name: string): Promise<{ state: string; reason: string } | undefined> =>
  ((await send('POST', '/v2/repository/index', {})) as { name: string; state: string; reason: string }[]).find((one) => one.name === name);

test('what no alias of the model has admitted is not served, whoever names it; what one has goes on when the alias moves on', async () => {
  await send('POST', '/api/2.0/mlflow/registered-models/create', { name: 'delay' });
  for (const bias of [0, 1, 2]) await register(bias);
  await apply(POLICIES);

  // By its number, by a deployment, by a batch job, under the model's own name.
  expect(await infer('delay/versions/1')).toEqual({ status: 403, body: { error: expect.stringMatching(WHY(1)) } });
  expect(await infer('delay')).toEqual({ status: 403, body: { error: expect.stringMatching(WHY(3)) } });
  await deploy('eta', 'models:/delay/1');
  await waitFor(async () => (await indexed('eta'))?.reason !== '' && (await indexed('eta'))?.state === 'UNAVAILABLE');
  expect((await indexed('eta'))?.reason).toMatch(WHY(1));
  expect(await infer('eta')).toEqual({ status: 403, body: { error: expect.stringMatching(WHY(1)) } });
  const job = { model: 'models:/delay/1', input: { csv: 'x\n1\n' } };
  const refused = { status: 403, body: { code: 'MR_INFERENCE_NOT_ADMITTED', detail: expect.stringMatching(WHY(1)) } };
  expect(await answer('POST', '/api/v1/batch-jobs', job)).toMatchObject(refused);
  // Checks are made before that.
  expect(await send('GET', '/api/v1/serving/models/delay/versions/1')).toMatchObject({ servable: true });
  expect(await send('POST', '/api/v1/serving/models/delay/versions/1/try', INPUTS)).toMatchObject({
    model_version: '1',
    outputs: expect.any(Array),
  });

  await promote(1, 'champion');
  expect(await served('eta')).toBe('1');
  expect((await infer('delay/versions/1')).status).toBe(200);
  // The highest version that may be served.
  expect((await infer('delay')).body).toMatchObject({ model_version: '1' });

  await promote(2, 'champion');
  await waitFor(async () => (await served('delay')) === '2');
  expect((await infer('eta')).body).toMatchObject({ model_version: '1' });
  expect((await infer('delay/versions/1')).status).toBe(200);

  // What served before goes on, and it is said why.
  await deploy('eta', 'models:/delay/3');
  await waitFor(async () => (await indexed('eta'))?.reason !== '');
  expect(await indexed('eta')).toMatchObject({ state: 'READY', reason: expect.stringMatching(WHY(3)) });
  expect((await infer('eta')).body).toMatchObject({ model_version: '1' });
  await deploy('eta', 'models:/delay/1');
}, 120_000);

test('a rollout begins once its candidate is admitted, by an alias of its own', async () => {
  await apply(`{apiVersion: millrace.dev/v1, kind: Rollout, metadata: {name: eta-3},
    spec: {deployment: eta, strategy: canary, candidate: 'models:/delay/3', unit: id, steps: [50%], gates: [{metric: error_rate}]}}`);
  const explain = async (): Promise<{ run: number; waitsFor: string | null }> => await send('GET', '/api/v1/rollouts/eta-3/explain');
  expect((await explain()).waitsFor).toMatch(WHY(3));
  // It is looked at several times until then.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(await explain()).toMatchObject({ run: 0, waitsFor: expect.stringMatching(WHY(3)) });
  await promote(3, 'challenger');
  await waitFor(async () => (await explain()).run > 0, { what: 'the rollout to begin' });
}, 60_000);
