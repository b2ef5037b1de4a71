import { slowAddsModel } from '@millrace/onnx';
import { embeddedTopology, freePort, repositoryRoot, startProcess, type RunningProcess } from '@millrace/testing';
import { join } from 'node:path';
import { call, deploy, register, runMs } from '../served-platform.js';

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
    await register(url, 'served', slowAddsModel(1, TRIED_LAYERS));
    const tried = await runMs(url, 'served', 1);
    await register(url, 'served', slowAddsModel(1, Math.max(1, Math.round((TRIED_LAYERS * RUN_MS) / tried))));
    await deploy(url, 'served', 'models:/served/2');
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
