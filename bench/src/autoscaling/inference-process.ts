import { slowAddsModel } from '@millrace/onnx';
import { embeddedTopology, freePort, repositoryRoot, startProcess, type RunningProcess } from '@millrace/testing';
import { join } from 'node:path';

const RUN_MS = 5;
const TRIED_LAYERS = 40;

/** A process that answered, and when what of its start was over: milliseconds after it was started. */
export interface StartedProcess {
  readonly url: string;
  readonly process: RunningProcess;
  readonly phases: Phases;
}

export interface Phases {
  /** Node and the code: until its first line of log. */
  readonly codeMs: number;
  /** Log, stores and models opened, until it listens. */
  readonly openedMs: number;
  /** The log folded and models loaded, until it says it is ready. */
  readonly readyMs: number;
  readonly answeredMs: number;
  /** When the model had been loaded and warmed up. */
  readonly loadedMs: number;
}

export const PATH = '/v2/models/served/infer';
export const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });

/** Registers and deploys a model of about 5 ms a row in a data directory. */
export async function prepare(directory: string): Promise<void> {
  const platform = await embeddedTopology(directory, { MILLRACE_LOG_LEVEL: 'error' });
  await platform.start();
  const { url } = platform;
  try {
    await call('POST', `${url}/api/2.0/mlflow/registered-models/create`, JSON.stringify({ name: 'served' }));
    const register = async (layers: number, version: number): Promise<number> => {
      await call('PUT', `${url}/api/2.0/mlflow-artifacts/artifacts/bench/${version}/model.onnx`, slowAddsModel(1, layers));
      const source = `mlflow-artifacts:/bench/${version}`;
      await call('POST', `${url}/api/2.0/mlflow/model-versions/create`, JSON.stringify({ name: 'served', source }));
      const check = await call('GET', `${url}/api/v1/serving/models/served/versions/${version}`);
      return (check as { runMs: number }).runMs;
    };
    const tried = await register(TRIED_LAYERS, 1);
    await register(Math.max(1, Math.round((TRIED_LAYERS * RUN_MS) / tried)), 2);
    const document = {
      apiVersion: 'millrace.dev/v1',
      kind: 'Deployment',
      metadata: { name: 'served' },
      spec: { model: 'models:/served/2' },
    };
    await call('POST', `${url}/api/v1/apply`, JSON.stringify(document));
  } finally {
    await platform.stop();
  }
}

/** Starts the inference service alone on a data directory; resolves when it has answered a first request. */
export async function startInference(directory: string, env: Readonly<Record<string, string>> = {}): Promise<StartedProcess> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const started = Date.now();
  const at: Record<string, number> = {};
  const running = await startProcess({
    name: 'inference',
    command: process.execPath,
    args: ['--enable-source-maps', join(repositoryRoot, 'services/inference/dist/main.js')],
    env: {
      ...{ MILLRACE_DATA_DIR: directory, MILLRACE_PORT: new URL(url).port, MILLRACE_GRPC_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0' },
      ...{ MILLRACE_LOG_LEVEL: 'info', NODE_OPTIONS: '', ...env },
    },
    onLine: (line) => {
      for (const message of ['starting', 'model loaded', 'listening'])
        if (line.includes(`"msg":"${message}"`)) at[message] ??= Date.now() - started;
    },
    readyWhen: async () => (await fetch(`${url}/readyz`)).ok,
    readyTimeoutMs: 120_000,
  });
  const readyMs = Date.now() - started;
  await call('POST', `${url}${PATH}`, BODY);
  const answeredMs = Date.now() - started;
  const { starting: codeMs = Number.NaN, listening: openedMs = Number.NaN, 'model loaded': loadedMs = Number.NaN } = at;
  return { url, process: running, phases: { codeMs, openedMs, readyMs, answeredMs, loadedMs } };
}

async function call(method: string, url: string, body?: string | Uint8Array): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: body as string }) });
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
