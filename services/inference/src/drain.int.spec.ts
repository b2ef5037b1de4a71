import { afterEach, expect, test } from '@jest/globals';
import { slowAddsModel } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { freePort, startFromSources, tempDir, waitFor, type TempDir } from '@millrace/testing';
import { Agent, request } from 'node:http';
import { InferenceModule, inferenceConfig } from './index.js';
import { PublishedModels } from './testing/published-models.js';

const MAIN = 'services/inference/src/main.ts';
const CLIENTS = 16;
const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

test('a process that is told to end under load fails no request, and has recorded every answer', async () => {
  const directory = await tempDir('inference-drain');
  ends.push(() => directory.remove());
  const before = await opened(directory);
  await new PublishedModels(before.host).register('slow', slowAddsModel(1, 40));
  await before.close();

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { ...environment(directory), MILLRACE_PORT: String(port), MILLRACE_DRAIN: '5s' };
  const child = await startFromSources('inference', [MAIN], `${url}/readyz`, env);
  ends.push(() => child.stop());
  await waitFor(async () => (await post(url)).status === 200, { what: 'the model to answer', timeoutMs: 60_000 });
  const warmUps = 1;

  let isUnready = false;
  let isOver = false;
  const answers: Answer[] = [];
  const late: Answer[] = [];
  const clients = Array.from({ length: CLIENTS }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!isOver) {
      const wasUnready = isUnready;
      const answer = await post(url, agent);
      answers.push(answer);
      if (wasUnready) late.push(answer);
    }
    agent.destroy();
  });
  await waitFor(() => answers.length >= 20 * CLIENTS, { what: 'load', timeoutMs: 60_000 });
  child.kill('SIGTERM');
  await waitFor(async () => (isUnready = (await fetch(`${url}/readyz`)).status === 503), { what: 'it to say that it is not ready' });
  expect(await (await fetch(`${url}/v2/health/ready`)).json()).toEqual({ ready: false });
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  // A balancer takes a moment to learn it; what it still sends is answered.
  await waitFor(() => late.length >= 5 * CLIENTS, { what: 'answers to requests sent after it was unready', timeoutMs: 60_000 });
  isOver = true;
  await Promise.all(clients);
  const exit = await child.exited;

  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(late.filter(({ connection }) => connection !== 'close')).toEqual([]);
  expect(exit.code).toBe(0);
  const after = await opened(directory);
  const recorded = await waitFor(
    async () => {
      const [row] = await after.host.offline.query<{ n: string }>('SELECT count() AS n FROM millrace.predictions');
      return Number(row?.n) >= answers.length + warmUps && Number(row?.n);
    },
    { what: 'every answer to be in the log', timeoutMs: 30_000 },
  );
  expect(recorded).toBe(answers.length + warmUps);
}, 120_000);

test('without a drain time it ends at once, and what is in flight is answered', async () => {
  const directory = await tempDir('inference-no-drain');
  ends.push(() => directory.remove());
  const service = await opened(directory);
  await new PublishedModels(service.host).register('slow', slowAddsModel(1, 4000, 2 * 65_536));
  await waitFor(async () => (await post(service.url)).status === 200, { what: 'the model to answer', timeoutMs: 60_000 });
  const answer = post(service.url);
  await waitFor(async () => /^nv_inference_pending_request_count\{.*\} 1$/m.test(await service.host.metrics.scrape()), {
    what: 'the request to be under way',
  });
  await service.close();
  expect(await answer).toMatchObject({ status: 200 });
}, 60_000);

interface Answer {
  readonly status: number | string;
  readonly connection: string | undefined;
}

function environment(directory: TempDir): Record<string, string> {
  return {
    ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    MILLRACE_LOG_LEVEL: 'error',
  };
}

async function opened(directory: TempDir): Promise<RunningService> {
  const service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment(directory)));
  ends.push(() => service.close());
  return service;
}

function post(url: string, agent?: Agent): Promise<Answer> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': BODY.length };
    const sent = request(`${url}/v2/models/slow/versions/1/infer`, { method: 'POST', ...(agent ? { agent } : {}), headers }, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode ?? 0, connection: response.headers.connection }));
    });
    sent.on('error', (error) => resolve({ status: error.message, connection: undefined }));
    sent.end(BODY);
  });
}
