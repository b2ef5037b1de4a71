import { status as Grpc } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { delayModel } from './testing/flights.js';
import { GrpcClient } from './testing/grpc-client.js';
import { PublishedModels } from './testing/published-models.js';

let temp: TempDir;
let service: RunningService;
let models: PublishedModels;
let client: GrpcClient;

beforeAll(async () => {
  temp = await tempDir('serving-policies');
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    MILLRACE_LOG_LEVEL: 'fatal',
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  models = new PublishedModels(service.host);
  for (const bias of [0, 1, 2]) await models.register('delay', delayModel(bias));
  client = new GrpcClient(service.app.get(InferenceModule).grpcAddress as string);
}, 60_000);
afterAll(async () => {
  client.close();
  await service.close();
  await temp.remove();
});

const send = async (method: string, path: string, body?: string): Promise<unknown> => {
  const response = await fetch(`${service.url}${path}`, { method, ...(body === undefined ? {} : { body }) });
  if (!response.ok) throw new Error(await response.text());
  return response.json();
};
const POLICY = `
apiVersion: millrace.dev/v1
kind: Policy
metadata: {name: champions}
spec: {models: ['del*'], aliases: [champion], governsServing: true}
`;
const TENSOR = { name: 'input', datatype: 'FP32', shape: [1, 3], contents: { fp32_contents: [500, 10, 1] } };
const infer = (name: string, version?: number) =>
  client.call<{ model_version: string }>('ModelInfer', {
    ...{ model_name: name, model_version: version === undefined ? '' : String(version), inputs: [TENSOR] },
  });
const versionOf = async (name: string): Promise<string | undefined> => (await infer(name)).response?.model_version;

test('a policy holds for what is loaded already as soon as it is applied, and no longer when it is gone', async () => {
  await send(
    'POST',
    '/api/v1/apply',
    `{apiVersion: millrace.dev/v1, kind: Deployment, metadata: {name: eta}, spec: {model: 'models:/delay/1'}}`,
  );
  await waitFor(async () => (await versionOf('eta')) === '1');
  expect(await infer('delay', 1)).toMatchObject({ code: Grpc.OK });

  await send('POST', '/api/v1/apply', POLICY);
  const refused = { code: Grpc.PERMISSION_DENIED, details: expect.stringContaining('policy champions keeps version 1 of model "delay"') };
  await waitFor(async () => (await versionOf('eta')) === undefined);
  expect(await infer('eta')).toMatchObject(refused);
  expect(await infer('delay', 1)).toMatchObject(refused);

  await send('DELETE', '/api/v1/resources/Policy/champions');
  await waitFor(async () => (await versionOf('eta')) === '1');
  expect(await infer('delay', 1)).toMatchObject({ code: Grpc.OK });
}, 60_000);

test('an alias nobody governs that moves to what is not admitted leaves the version before in its place', async () => {
  await send('POST', '/api/v1/apply', POLICY);
  await models.alias('delay', 'champion', 2);
  await models.alias('delay', 'blessed', 2);
  await send(
    'POST',
    '/api/v1/apply',
    `{apiVersion: millrace.dev/v1, kind: Deployment, metadata: {name: nightly}, spec: {model: 'models:/delay@blessed'}}`,
  );
  await waitFor(async () => (await versionOf('nightly')) === '2');
  await models.alias('delay', 'blessed', 3);
  const reason = async (): Promise<string> => {
    const index = (await send('POST', '/v2/repository/index')) as { name: string; reason: string }[];
    return index.find(({ name }) => name === 'nightly')?.reason ?? '';
  };
  await waitFor(async () => (await reason()).includes('version 3 of model "delay"'));
  expect(await versionOf('nightly')).toBe('2');
  await models.alias('delay', 'champion', 3);
  await waitFor(async () => (await versionOf('nightly')) === '3');
  expect(await reason()).toBe('');
}, 60_000);

test.each([
  ['/v2/repository/index', '[1]', 'the request must be a JSON object'],
  ['/v2/repository/index', '{"ready": "yes"}', 'ready is "yes"; it must be true or false'],
  ['/v2/repository/models/delay/load', '{"parameters": ["config"]}', 'parameters must be a JSON object'],
  ['/v2/repository/models/delay/unload', '7', 'the request must be a JSON object'],
])('a call of the repository that means nothing is refused, not taken for another: %s %s', async (path, body, error) => {
  const response = await fetch(`${service.url}${path}`, { method: 'POST', body });
  expect([response.status, await response.json()]).toEqual([400, { error }]);
});
