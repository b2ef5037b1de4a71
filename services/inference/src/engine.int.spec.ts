import { afterEach, describe, expect, test } from '@jest/globals';
import { addsModel, centredModel, constantModel, constantRowsModel, float16Model, slowAddsModel } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { PublishedModels } from './testing/published-models.js';

const running: { service: RunningService; temp: TempDir }[] = [];

afterEach(async () => {
  for (const { service, temp } of running.splice(0)) {
    await service.close();
    await temp.remove();
  }
});

interface Reply {
  readonly status: number;
  readonly model_version?: string;
  readonly outputs?: readonly { shape?: number[]; data: number[] }[];
  readonly error?: string;
}

/** A service of its own, with the settings given. */
async function start(settings: Record<string, string> = {}) {
  const temp = await tempDir('engine');
  const environment = {
    MILLRACE_DATA_DIR: temp.path,
    MILLRACE_PORT: '0',
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_LOG_LEVEL: 'fatal',
    ...settings,
  };
  const service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  running.push({ service, temp });
  const models = new PublishedModels(service.host);
  const infer = async (model: string, x: number, options: { signal?: AbortSignal; parameters?: object } = {}): Promise<Reply> => {
    const { parameters = {}, ...init } = options;
    const body = JSON.stringify({ parameters, inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [x] }] });
    const response = await fetch(`${service.url}/v2/models/${model}/infer`, { method: 'POST', body, ...init });
    return { status: response.status, ...((await response.json()) as Omit<Reply, 'status'>) };
  };
  const deploy = async (name: string, reference: string): Promise<void> => {
    const body = `apiVersion: millrace.dev/v1\nkind: Deployment\nmetadata: {name: ${name}}\nspec: {model: ${reference}}\n`;
    const headers = { 'content-type': 'application/yaml' };
    const response = await fetch(`${service.url}/api/v1/apply`, { method: 'POST', headers, body });
    if (!response.ok) throw new Error(await response.text());
    await waitFor(async () => (await fetch(`${service.url}/v2/models/${name}/ready`)).status !== 404, { what: `${name} to be known` });
  };
  const ready = (name: string) =>
    waitFor(async () => (await fetch(`${service.url}/v2/models/${name}/ready`)).ok, { what: `${name} to be ready` });
  /** The sum of a metric's values that have the labels. */
  const metric = async (name: string, ...labels: readonly string[]): Promise<number> => {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    const own = lines.filter((line) => labels.every((label) => line.includes(label)));
    return own.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  };
  return { service, models, infer, deploy, ready, metric };
}

const answer = (reply: Reply): [number, number | undefined] => [reply.status, reply.outputs?.[0]?.data[0]];

test('thirty versions take one another’s place under load: no failed request, and each answer is its version’s', async () => {
  const { models, infer, deploy, ready } = await start();
  const versions = 31;
  for (let version = 1; version <= versions; version++) await models.register('swapped', addsModel(version));
  await models.alias('swapped', 'live', 1);
  await deploy('swapped', 'models:/swapped@live');
  await ready('swapped');
  let isOver = false;
  let newest = 1;
  const wrong: Reply[] = [];
  const seen = new Set<number>();
  const caller = async (): Promise<void> => {
    for (let request = 0; !isOver; request = (request + 1) % 1000) {
      const reply = await infer('swapped', request);
      const version = Number(reply.model_version);
      seen.add(version);
      newest = Math.max(newest, version);
      if (reply.status !== 200 || reply.outputs?.[0]?.data[0] !== request + version) wrong.push(reply);
    }
  };
  const callers = Promise.all(Array.from({ length: 8 }, caller));
  for (let version = 2; version <= versions; version++) {
    await models.alias('swapped', 'live', version);
    await waitFor(() => newest === version, { what: `version ${version} to answer` });
  }
  isOver = true;
  await callers;
  expect([wrong, seen.size]).toEqual([[], versions]);
}, 600_000);

test('a model that has just been registered answers, and so do more at once than are kept loaded', async () => {
  const { models, infer } = await start({ MILLRACE_INFERENCE_MAX_ON_DEMAND: '2' });
  const names = Array.from({ length: 8 }, (_, index) => `many${index}`);
  for (const [index, name] of names.entries()) {
    await models.register(name, addsModel(index));
    expect(answer(await infer(name, 1))).toEqual([200, 1 + index]);
  }
  for (let round = 0; round < 3; round++)
    expect((await Promise.all(names.map((name) => infer(name, round)))).map(answer)).toEqual(names.map((_, index) => [200, round + index]));
  expect(await infer('nothing', 1)).toMatchObject({ status: 404, error: expect.stringContaining('there is no deployment "nothing"') });
}, 120_000);

test('a model without inputs answers a request without tensors, and another names what is missing', async () => {
  const { service, models } = await start();
  await models.register('constant', constantModel());
  await models.register('counted', constantRowsModel());
  await models.register('adds', addsModel(1));
  const ask = async (model: string): Promise<Reply> => {
    const response = await fetch(`${service.url}/v2/models/${model}/infer`, { method: 'POST', body: '{"inputs": []}' });
    return { status: response.status, ...((await response.json()) as Omit<Reply, 'status'>) };
  };
  const replies = await Promise.all([ask('constant'), ask('constant'), ask('constant')]);
  for (const reply of replies) expect(reply).toMatchObject({ status: 200, outputs: [{ data: [3, 4] }] });
  // Its rows are as many as it finds: whoever asks at the same time gets all of them.
  for (const reply of await Promise.all([ask('counted'), ask('counted'), ask('counted')]))
    expect(reply).toMatchObject({ status: 200, outputs: [{ shape: [2, 1], data: [0, 1] }] });
  expect(await ask('adds')).toMatchObject({ status: 400, error: expect.stringContaining('input "x" is missing') });
}, 60_000);

test('what the protocol has and this server does not is told in the words of the protocol', async () => {
  const { service, models } = await start();
  await models.register('adds', addsModel(1));
  for (const [method, path] of [
    ['GET', '/v2/trace/setting'],
    ['GET', '/v2/models/adds/infer'],
    ['POST', '/v2/models/adds/versions//infer'],
  ] as const) {
    const response = await fetch(`${service.url}${path}`, { method });
    const error = `there is no ${method} ${path} here; GET /v2 names the extensions that are`;
    expect([response.status, await response.json()]).toEqual([404, { error }]);
  }
}, 60_000);

describe('a request for a busy model', () => {
  test('is answered by its deadline, and gives its place up when its client leaves', async () => {
    const { service, models, infer, deploy, ready, metric } = await start({ MILLRACE_INFERENCE_MAX_BATCH_ROWS: '1' });
    // Some seconds a request: all that follows has to happen while the first is computed, on a machine that may pause.
    await models.register('slow', slowAddsModel(1, 10_000, 4 * 65_536));
    await models.register('fast', addsModel(2));
    await deploy('slow', 'models:/slow/1');
    await deploy('fast', 'models:/fast/1');
    await ready('slow');
    await ready('fast');
    expect(await metric('millrace_inference_models_by_place', 'place="worker"')).toBe(1);
    const busy = infer('slow', 1);
    await waitFor(async () => (await metric('millrace_inference_pending_requests')) === 1);
    const client = new AbortController();
    const left = infer('slow', 2, { signal: client.signal });
    await waitFor(async () => (await metric('millrace_inference_pending_requests')) === 2);
    client.abort();
    await expect(left).rejects.toThrow(/abort/);
    await waitFor(async () => (await metric('millrace_inference_pending_requests')) === 1, { what: 'the place to be free' });
    // The same where MLflow's format is spoken.
    const scorer = new AbortController();
    const scored = fetch(`${service.url}/api/v1/deployments/slow/invocations`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"instances": [[1]]}', signal: scorer.signal },
    });
    await waitFor(async () => (await metric('millrace_inference_pending_requests')) === 2);
    scorer.abort();
    await expect(scored).rejects.toThrow(/abort/);
    await waitFor(async () => (await metric('millrace_inference_pending_requests')) === 1, { what: 'the place to be free again' });
    const late = await infer('slow', 3, { parameters: { timeout: 1000 } });
    expect([late.status, late.error]).toEqual([504, expect.stringMatching(/^the deadline passed after \d+ ms in the queue$/)]);
    expect(answer(await infer('fast', 1))).toEqual([200, 3]);
    expect(answer(await busy)).toEqual([200, 2]);
    const outcomes = await waitFor(async () => {
      const found = await service.host.offline.query<{ error_code: string }>(
        `SELECT error_code FROM millrace.predictions WHERE deployment = 'slow' ORDER BY error_code`,
      );
      return found.length === 4 && found.map((row) => row.error_code);
    });
    expect(outcomes).toEqual(['', 'MR_INFERENCE_CANCELLED', 'MR_INFERENCE_CANCELLED', 'MR_INFERENCE_DEADLINE']);
  });
});

test('who asks at the same time changes no answer of a model that computes over its rows', async () => {
  const { service, models, infer, deploy, ready } = await start({ MILLRACE_INFERENCE_BATCH_DELAY: '20ms' });
  await models.register('centred', centredModel());
  await deploy('centred', 'models:/centred/1');
  await ready('centred');
  const alone = await Promise.all(Array.from({ length: 30 }, async (_, x) => answer(await infer('centred', x))));
  expect(alone).toEqual(Array.from({ length: 30 }, () => [200, 0]));
  // Rows of one request belong together.
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 1], data: [1, 5] }] });
  const response = await fetch(`${service.url}/v2/models/centred/infer`, { method: 'POST', body });
  expect(await response.json()).toMatchObject({ outputs: [{ data: [-2, 2] }] });
  const checked = (await (await fetch(`${service.url}/api/v1/serving/models/centred/versions/1`)).json()) as object;
  expect(checked).toMatchObject({ servable: true, mixesRows: true });
});

describe('more models than memory', () => {
  const settings = { MILLRACE_INFERENCE_MEMORY: '40MiB', MILLRACE_INFERENCE_RUNNER: 'in-loop' };
  const padding = 8 << 20;

  test('are loaded when they are asked for, in the place of the longest unused, and answer all', async () => {
    const { models, infer, deploy, ready, metric } = await start(settings);
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const [index, name] of names.entries()) {
      await models.register(name, addsModel(index, padding));
      await deploy(name, `models:/${name}/1`);
      await ready(name);
    }
    const loaded = (name: string) => metric('millrace_inference_models_loaded', `model="${name}"`);
    // Three fit. The others push nothing out that nobody has asked them for.
    expect(await Promise.all(names.map(loaded))).toEqual([1, 1, 1, 0, 0]);
    expect(await metric('millrace_inference_evictions_total')).toBe(0);
    for (const name of ['a', 'c', 'b']) expect((await infer(name, 1)).status).toBe(200);
    expect(answer(await infer('d', 10))).toEqual([200, 13]);
    expect(await Promise.all(names.map(loaded))).toEqual([0, 1, 1, 1, 0]);
    expect(await metric('millrace_inference_evictions_total', 'model="a"')).toBe(1);
    const replies = await Promise.all(
      Array.from({ length: 60 }, async (_, request) => answer(await infer(names[request % 5] as string, request))),
    );
    const all = await Promise.all(
      replies.map(async ([status, data], request) =>
        // One that was pushed out again before its turn is answered when it asks again, as Retry-After says.
        status === 503 ? waitFor(async () => (await infer(names[request % 5] as string, request)).outputs?.[0]?.data[0]) : data,
      ),
    );
    expect(all).toEqual(Array.from({ length: 60 }, (_, request) => request + (request % 5)));
    expect(await metric('millrace_inference_model_memory_bytes')).toBeLessThanOrEqual(40 << 20);
    expect(await metric('millrace_inference_model_memory_limit_bytes')).toBe(40 << 20);
  });

  test('one that is larger than all of it is refused, with the setting to raise', async () => {
    const { models, infer, deploy } = await start(settings);
    await models.register('huge', addsModel(1, 30 << 20));
    await deploy('huge', 'models:/huge/1');
    const reply = await waitFor(async () => {
      const one = await infer('huge', 1);
      return one.error?.includes('needs about') && one;
    });
    expect([reply.status, reply.error]).toEqual([503, expect.stringMatching(/45\.0 MiB .* \(MILLRACE_INFERENCE_MEMORY, 40\.0 MiB\)/)]);
  });
});

test('a version is checked when it is registered: whether it loads, what it takes and gives, and why it cannot be served', async () => {
  const { service, models, metric } = await start();
  const check = async (name: string, version: number): Promise<Record<string, unknown>> => {
    const response = await fetch(`${service.url}/api/v1/serving/models/${name}/versions/${version}`);
    return { status: response.status, ...((await response.json()) as object) };
  };
  await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
  await models.register('good', addsModel(1));
  await models.register('half', float16Model());
  await models.register('damaged', addsModel(2), '0'.repeat(64));
  await models.register('pickle', Buffer.from('not a graph'));
  // Nobody has asked for any of them yet.
  await waitFor(async () => (await metric('millrace_inference_versions_checked_total')) === 4, { what: 'four checks' });
  expect(await metric('millrace_inference_versions_checked_total', 'outcome="servable"')).toBe(2);
  expect(await metric('millrace_inference_models_loaded')).toBe(0);
  expect(await check('good', 1)).toMatchObject({
    ...{ status: 200, model: 'good', version: 1, servable: true, stripped: [], widened: [], warmUpError: null, mixesRows: false },
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
  });
  expect(await check('half', 1)).toMatchObject({ servable: true, widened: ['x', 'y'] });
  expect(await check('damaged', 1)).toMatchObject({
    servable: false,
    reason: expect.stringMatching(/damaged version 1: its artifact has changed since it was registered/),
  });
  expect(await check('pickle', 1)).toMatchObject({ servable: false, reason: expect.stringMatching(/are not an ONNX model/) });
  expect(await check('good', 2)).toMatchObject({ status: 404, code: 'MR_INFERENCE_UNKNOWN_VERSION' });
  expect(await check('good', Number.NaN)).toMatchObject({ status: 400, code: 'MR_INFERENCE_INVALID' });
  // Kept: asking did not load anything again.
  expect(await metric('millrace_inference_versions_checked_total')).toBe(4);
});
