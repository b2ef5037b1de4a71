import { status as Grpc } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { logisticRegression } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { randomNumbers } from '@millrace/statistics';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { InferenceModule, inferenceConfig } from './index.js';
import { GrpcClient, type GrpcAnswer } from './testing/grpc-client.js';
import { PublishedModels } from './testing/published-models.js';

const ADMIN_KEY = 'an-admin-key-of-the-tests-0123456789';

interface InferMessage {
  readonly id: string;
  readonly model_version: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly contents: { readonly fp32_contents: number[] } | null;
  }[];
  readonly raw_output_contents: readonly Buffer[];
}

describe('the Open Inference Protocol over gRPC', () => {
  let temp: TempDir;
  let service: RunningService;
  let client: GrpcClient;

  beforeAll(async () => {
    temp = await tempDir('inference-grpc');
    const environment = {
      ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
      ...{ MILLRACE_LOG_LEVEL: 'error', MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY },
      ...{ MILLRACE_INFERENCE_MAX_QUEUED_ROWS: '1', MILLRACE_MAX_BODY: '64KiB' },
    };
    service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment), { service: 'inference' });
    const models = new PublishedModels(service.host);
    const model = logisticRegression({ features: ['a'], weights: [1], bias: 0, mean: [0], scale: [1] });
    await models.register('logit', model);
    await models.register('broken', model, '0'.repeat(64));
    await rest('POST', '/api/v1/apply', ['logit', 'broken'].map(deployment).join('\n---\n'));
    await waitFor(async () => (await rest('GET', '/v2/models/logit/ready')).ok, { what: 'logit to be ready' });
    client = new GrpcClient(service.app.get(InferenceModule).grpcAddress as string);
  }, 60_000);
  afterAll(async () => {
    client.close();
    await service.close();
    await temp.remove();
  });

  const deployment = (name: string): string =>
    JSON.stringify({ apiVersion: 'millrace.dev/v1', kind: 'Deployment', metadata: { name }, spec: { model: `models:/${name}/1` } });
  const rest = (method: string, path: string, body?: string, key = ADMIN_KEY) =>
    fetch(`${service.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
  const metadata = { authorization: `Bearer ${ADMIN_KEY}` };
  const input = (extra: object = {}) => ({ name: 'input', datatype: 'FP32', shape: [2, 1], contents: { fp32_contents: [0, 1] }, ...extra });
  const infer = (request: object, options: Parameters<GrpcClient['call']>[2] = {}): Promise<GrpcAnswer<InferMessage>> =>
    client.call('ModelInfer', { model_name: 'logit', inputs: [input()], ...request }, { metadata, ...options });

  test('answers in lists what came in lists, and in bytes what came in bytes', async () => {
    const outputs = [{ name: 'probability' }];
    const lists = await infer({ id: 'mine', outputs });
    expect(lists).toMatchObject({ code: Grpc.OK, response: { id: 'mine', model_version: '1' } });
    const values = lists.response?.outputs[0]?.contents?.fp32_contents;
    expect(values).toEqual([0.5, expect.closeTo(1 / (1 + Math.exp(-1)), 5)]);
    const raw = [Buffer.from(Float32Array.of(0, 1).buffer)];
    const bytes = await infer({ outputs, inputs: [input({ contents: undefined })], raw_input_contents: raw });
    expect(bytes.response?.outputs[0]?.contents).toBeNull();
    expect(Array.from(new Float32Array(Uint8Array.from(bytes.response?.raw_output_contents[0] as Buffer).buffer))).toEqual(values);
  });

  test.each<[string, object, number, RegExp]>([
    ['an unknown model', { model_name: 'nobody' }, Grpc.NOT_FOUND, /no deployment "nobody"/],
    ['an unknown version', { model_version: '9' }, Grpc.NOT_FOUND, /no version 9/],
    ['a model that cannot be loaded', { model_name: 'broken' }, Grpc.UNAVAILABLE, /changed/],
    ['no inputs', { inputs: [] }, Grpc.INVALID_ARGUMENT, /input "input" is missing/],
    [
      'a negative size',
      { inputs: [input({ shape: [-2, -1] })] },
      Grpc.INVALID_ARGUMENT,
      /input "input": shape must be .* sizes of 0 or more/,
    ],
    ['a shape beyond all memory', { inputs: [input({ shape: [2 ** 40, 2 ** 40] })] }, Grpc.INVALID_ARGUMENT, /more than .* elements/],
    ['a size of 64 bits', { inputs: [input({ shape: ['9223372036854775807'] })] }, Grpc.INVALID_ARGUMENT, /sizes of 0 or more/],
    ['an unknown datatype', { inputs: [input({ datatype: 'FP8' })] }, Grpc.INVALID_ARGUMENT, /"FP8" is not one of the protocol/],
    ['half precision in lists', { inputs: [input({ datatype: 'FP16' })] }, Grpc.INVALID_ARGUMENT, /FP16 has no list/],
    ['too few elements', { inputs: [input({ shape: [3, 1] })] }, Grpc.INVALID_ARGUMENT, /needs 3 elements and its fp32_contents holds 2/],
    [
      'elements in another list',
      { inputs: [input({ contents: { int_contents: [1, 2] } })] },
      Grpc.INVALID_ARGUMENT,
      /has int_contents; .* fp32_contents/,
    ],
    [
      'a value beyond its datatype',
      { inputs: [input({ datatype: 'INT8', contents: { int_contents: [1, 128] } })] },
      Grpc.INVALID_ARGUMENT,
      /128 is not a value of INT8/,
    ],
    ['lists and bytes at once', { raw_input_contents: [Buffer.alloc(8)] }, Grpc.INVALID_ARGUMENT, /both contents and raw_input_contents/],
    ['bytes for no one', { raw_input_contents: [Buffer.alloc(8), Buffer.alloc(8)] }, Grpc.INVALID_ARGUMENT, /has 2 entries and inputs 1/],
    [
      'short bytes',
      { inputs: [input({ contents: undefined })], raw_input_contents: [Buffer.alloc(5)] },
      Grpc.INVALID_ARGUMENT,
      /needs 8 bytes .* has 5/,
    ],
    ['a parameter without a value', { parameters: { priority: {} } }, Grpc.INVALID_ARGUMENT, /parameter "priority" has no value/],
    ['a priority beyond all', { parameters: { priority: { int64_param: 10 } } }, Grpc.INVALID_ARGUMENT, /"priority" is 10; .* from 0 to 9/],
    [
      'a priority below all',
      { parameters: { priority: { int64_param: -1 } } },
      Grpc.INVALID_ARGUMENT,
      /"priority" is -1; it must be a whole number/,
    ],
    [
      'classes of an output',
      { outputs: [{ name: 'probability', parameters: { classification: { int64_param: 1 } } }] },
      Grpc.INVALID_ARGUMENT,
      /output "probability": parameter "classification": .*not offered/,
    ],
    [
      'shared memory',
      { inputs: [input({ parameters: { shared_memory_region: { string_param: 'r' } } })] },
      Grpc.INVALID_ARGUMENT,
      /input "input": parameter "shared_memory_region": .*not offered/,
    ],
    ['a message beyond the limit', { id: 'x'.repeat(70_000) }, Grpc.RESOURCE_EXHAUSTED, /larger than max/],
  ])('refuses %s', async (_what, request, code, message) => {
    expect(await infer(request)).toMatchObject({ code, details: expect.stringMatching(message) });
  });

  test('a stream ends when the key that opened it is revoked, though nobody sends anything', async () => {
    const created = await rest('POST', '/api/v1/access/keys', JSON.stringify({ name: 'streamer', role: 'viewer' }));
    const { key, keyId } = (await created.json()) as { key: string; keyId: string };
    const request = { model_name: 'logit', id: 'one', inputs: [input()] };
    const { first, ended } = client.stream(request, { authorization: `Bearer ${key}` });
    expect(await first).toMatchObject({ infer_response: { id: 'one' } });
    await rest('DELETE', `/api/v1/access/keys/${keyId}`);
    expect(await ended).toMatchObject({ code: Grpc.UNAUTHENTICATED, details: 'the API key streamer was revoked' });
  });

  test('what is no message is refused, and the connection goes on', async () => {
    for (const bytes of [Buffer.from([0x0a, 0xff]), Buffer.alloc(1000, 0xff), Buffer.from('GET / HTTP/1.1')]) {
      expect((await client.callWithBytes('ModelInfer', bytes)).code).not.toBe(Grpc.OK);
    }
    expect((await infer({})).code).toBe(Grpc.OK);
  });

  test('half-broken messages get clean errors, whatever is broken in them', async () => {
    const whole = client.encode('ModelInfer', {
      model_name: 'logit',
      id: 'x',
      inputs: [input()],
      parameters: { unit: { string_param: 'u' } },
    });
    const next = randomNumbers(20261126);
    const random = (bound: number): number => Math.floor(next() * bound);
    const codes = new Set<number>();
    for (let round = 0; round < 400; round++) {
      const bytes = Buffer.from(whole.subarray(0, random(4) === 0 ? random(whole.length) : whole.length));
      for (let flips = random(4); flips >= 0 && bytes.length > 0; flips--) bytes[random(bytes.length)] = random(256);
      const { code, details } = await client.callWithBytes('ModelInfer', bytes, metadata);
      codes.add(code);
      // What cannot be decoded is INTERNAL by the library's own choice; ours is told as a defect, and there may be none.
      if (code === Number(Grpc.INTERNAL)) expect(details).toMatch(/^Error deserializing request/);
    }
    expect([...codes].filter((code) => ![Grpc.OK, Grpc.INVALID_ARGUMENT, Grpc.NOT_FOUND, Grpc.INTERNAL].includes(code))).toEqual([]);
    expect((await infer({})).code).toBe(Grpc.OK);
  });

  test('a full queue is told alike by both: RESOURCE_EXHAUSTED and 429, with when to come again', async () => {
    const body = JSON.stringify({ inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 1], data: [0] }] });
    const [calls, answers] = await Promise.all([
      Promise.all(Array.from({ length: 300 }, () => infer({}))),
      Promise.all(Array.from({ length: 300 }, () => rest('POST', '/v2/models/logit/infer', body))),
    ]);
    expect(new Set(calls.map(({ code }) => code))).toEqual(new Set([Grpc.OK, Grpc.RESOURCE_EXHAUSTED]));
    for (const call of calls)
      if (call.code !== 0) expect(call).toMatchObject({ pushback: '1000', details: expect.stringMatching(/rows are waiting/) });
    expect([...new Set(answers.map(({ status }) => status))].sort()).toEqual([200, 429]);
    for (const answer of answers) if (answer.status === 429) expect(answer.headers.get('retry-after')).toBe('1');
  });

  test('a call is over when its caller’s deadline has passed or it is called off, and leaves nothing behind', async () => {
    expect((await infer({}, { deadline: Date.now() - 1 })).code).toBe(Grpc.DEADLINE_EXCEEDED);
    expect((await infer({ parameters: { timeout: { int64_param: 1 } } })).code).toBe(Grpc.DEADLINE_EXCEEDED);
    const cancelled = await Promise.all(Array.from({ length: 20 }, () => infer({}, { cancelled: true })));
    expect(new Set(cancelled.map(({ code }) => code))).toEqual(new Set([Grpc.CANCELLED]));
    await waitFor(async () => /^millrace_grpc_in_flight\{[^}]*\} 0$/m.test(await (await rest('GET', '/metrics')).text()));
    expect((await infer({})).code).toBe(Grpc.OK);
  });

  test('asks who calls by the table of the REST routes', async () => {
    const key = async (role: string): Promise<string> => {
      const response = await rest('POST', '/api/v1/access/keys', JSON.stringify({ name: `of-a-${role}`, actor: role, role }));
      return ((await response.json()) as { key: string }).key;
    };
    const viewer = { metadata: { authorization: `Bearer ${await key('viewer')}` } };
    expect((await client.call('ServerLive', {})).code).toBe(Grpc.OK);
    expect(await client.call('ModelInfer', { model_name: 'logit' })).toMatchObject({
      code: Grpc.UNAUTHENTICATED,
      details: expect.stringMatching(/API key/),
    });
    expect((await infer({}, viewer)).code).toBe(Grpc.OK);
    expect((await client.call('RepositoryIndex', {}, viewer)).code).toBe(Grpc.OK);
    expect(await client.call('RepositoryModelLoad', { model_name: 'logit' }, viewer)).toMatchObject({
      code: Grpc.PERMISSION_DENIED,
      details: expect.stringMatching(/viewer is viewer here; this takes the role editor/),
    });
  });
});

test('a port that is taken is told by its variable', async () => {
  await using temp = await tempDir('inference-grpc-taken');
  const taker = createServer().listen(0, '127.0.0.1');
  await once(taker, 'listening');
  const { port } = taker.address() as AddressInfo;
  const environment = {
    ...{ MILLRACE_DATA_DIR: temp.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: String(port) },
    MILLRACE_LOG_LEVEL: 'silent',
  };
  await expect(bootstrap(InferenceModule, loadConfig([inferenceConfig], environment))).rejects.toThrow(
    `port ${port} of 127.0.0.1 is taken by another process; stop that one, or set MILLRACE_GRPC_PORT`,
  );
  taker.close();
}, 60_000);
