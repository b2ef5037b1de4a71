import { ensureVenv, freePort, runCommand, startProcess, type RunningProcess } from '@millrace/testing';
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLIENT_CORE, onServerCore } from '../cores.js';
import { METRICS, metricValue, paramsOf, runIdOf, START_MS } from './fill-log.js';

export interface Server {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export const PYTHON_FOLDER = fileURLToPath(new URL('../../src/tracking/python/', import.meta.url));

/** MLflow as people install it, and its client. */
export function mlflowVenv(): ReturnType<typeof ensureVenv> {
  return ensureVenv('mlflow-server-3.17.2', ['mlflow==3.17.2', 'setuptools==75.8.0']);
}

/** The platform in one process on one core, on a data directory. */
export async function startMillrace(
  dataDirectory: string,
  { readyTimeoutMs = 600_000, clickhousePort = 0 }: { readonly readyTimeoutMs?: number; readonly clickhousePort?: number } = {},
): Promise<Server> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    MILLRACE_DATA_DIR: dataDirectory,
    MILLRACE_PORT: String(port),
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: String(clickhousePort),
    MILLRACE_LOG_LEVEL: 'error',
    NODE_OPTIONS: '',
  };
  const script = fileURLToPath(new URL('../../../services/platform/dist/main.js', import.meta.url));
  const readyWhen = async () => (await fetch(`${url}/readyz`)).ok;
  return serverOf(
    url,
    await startProcess({ name: 'millrace', ...onServerCore(process.execPath, [script]), env, readyWhen, readyTimeoutMs }),
  );
}

export async function startStub(): Promise<Server> {
  const port = await freePort();
  const script = fileURLToPath(new URL('./stub-server.js', import.meta.url));
  const process_ = await startProcess({ name: 'stub', ...onServerCore(process.execPath, [script, String(port)]), readyWhen: 'listening' });
  return serverOf(`http://127.0.0.1:${port}`, process_);
}

/** MLflow's own server on SQLite in `directory`, one worker. */
export async function startMlflow(directory: string): Promise<Server> {
  const venv = await mlflowVenv();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [
    'server',
    '--backend-store-uri',
    `sqlite:///${join(directory, 'mlflow.db')}`,
    '--artifacts-destination',
    join(directory, 'artifacts'),
  ];
  const where = ['--host', '127.0.0.1', '--port', String(port), '--workers', '1'];
  const readyWhen = async () => (await fetch(`${url}/health`)).ok;
  const command = onServerCore(venv.bin('mlflow'), [...args, ...where]);
  const env = { PATH: `${join(venv.path, 'bin')}:${process.env['PATH'] ?? ''}`, MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' };
  return serverOf(
    url,
    await startProcess({ name: 'mlflow', ...command, cwd: directory, env, withChildren: true, readyWhen, readyTimeoutMs: 300_000 }),
  );
}

/** The runs of {@link fillLog} in the database of an MLflow server that has made its tables. */
export async function fillMlflow(directory: string, runs: number, history: number): Promise<void> {
  const file = join(directory, 'runs.jsonl');
  const out = createWriteStream(file);
  for (let index = 0; index < runs; index++) {
    const name = `run-${index}`;
    const line = {
      ...{ id: runIdOf(index), name, start: START_MS + index * 1000, params: paramsOf(index) },
      tags: {
        'mlflow.user': 'bench',
        'mlflow.source.name': 'train.py',
        'mlflow.source.type': 'LOCAL',
        'mlflow.runName': name,
        team: `team ${index % 7}`,
      },
      metrics: Object.fromEntries(METRICS.map((key, metric) => [key, metricValue(index, metric, 0)])),
    };
    if (!out.write(`${JSON.stringify(line)}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  const venv = await mlflowVenv();
  const args = [join(PYTHON_FOLDER, 'fill_mlflow.py'), join(directory, 'mlflow.db'), file, String(history)];
  await runCommand(venv.python, args, { timeoutMs: 1_800_000 });
}

/** The real client's times against a server, in milliseconds. */
export async function clientTimes(
  url: string,
  small: number,
  large: number,
): Promise<Record<'logMetric' | 'logBatch' | 'lifecycle', number>> {
  const venv = await mlflowVenv();
  const args = ['-c', CLIENT_CORE, venv.python, join(PYTHON_FOLDER, 'client_times.py'), url, '0', String(small), String(large)];
  const output = await runCommand('taskset', args, {
    env: { MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' },
    timeoutMs: 1_800_000,
  });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<'logMetric' | 'logBatch' | 'lifecycle', number>;
}

function serverOf(url: string, running: RunningProcess): Server {
  return { url, pid: running.pid, stop: async () => void (await running.stop(30_000)) };
}
