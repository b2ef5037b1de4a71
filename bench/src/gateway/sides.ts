import { ensureVenv, freePort } from '@millrace/testing';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startMeasured, type MeasuredServer } from '../measured-server.js';

export interface Side extends MeasuredServer {
  readonly grpcPort?: number;
}

export interface ServedFile {
  readonly name: string;
  readonly file: string;
}

const READY = '/v2/health/ready';
const PYTHON = fileURLToPath(new URL('../../src/gateway/python/', import.meta.url));
const RUNTIME = ['onnxruntime==1.30.0', 'numpy==2.2.6'];
export const FASTAPI_LABEL = 'FastAPI 0.165.0 + onnxruntime 1.30.0';
export const MLSERVER_LABEL = 'MLServer 1.7.1 + onnxruntime 1.30.0';
export const BARE_LABEL = 'bare Fastify + onnxruntime-node';

export async function startFastApi(models: readonly ServedFile[]): Promise<Side> {
  const web = ['fastapi==0.165.0', 'uvicorn[standard]==0.54.0', 'orjson==3.11.3'];
  const venv = await ensureVenv('fastapi-onnx', [...web, ...RUNTIME]);
  const port = await freePort();
  const args = [join(PYTHON, 'fastapi_server.py'), String(port), ...models.map(({ name, file }) => `${name}=${file}`)];
  return startMeasured({ name: FASTAPI_LABEL, command: venv.python, args, port, health: READY, env: {} });
}

/** MLServer as it is by default, but in one process: its workers would be further processes on the same core. */
export async function startMlserver(directory: string, models: readonly ServedFile[]): Promise<Side> {
  const venv = await ensureVenv('mlserver-onnx', ['mlserver==1.7.1', 'setuptools==75.8.0', ...RUNTIME]);
  const [port, grpcPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const settings = {
    http_port: port,
    grpc_port: grpcPort,
    metrics_port: metricsPort,
    host: '127.0.0.1',
    parallel_workers: 0,
    debug: false,
  };
  await writeFile(join(directory, 'settings.json'), JSON.stringify(settings));
  for (const { name, file } of models) {
    await mkdir(join(directory, name));
    const model = { name, implementation: 'onnx_model.OnnxModel', parameters: { uri: file, version: '1' } };
    await writeFile(join(directory, name, 'model-settings.json'), JSON.stringify(model));
  }
  const where = { port, health: READY, cwd: directory, env: { PYTHONPATH: PYTHON } };
  return startMeasured({ name: MLSERVER_LABEL, command: venv.bin('mlserver'), args: ['start', directory], ...where });
}

export async function startBare(models: readonly ServedFile[]): Promise<Side> {
  const port = await freePort();
  const script = fileURLToPath(new URL('./bare-server.js', import.meta.url));
  const args = [script, String(port), ...models.map(({ name, file }) => `${name}=${file}`)];
  return startMeasured({ name: BARE_LABEL, command: process.execPath, args, port, health: READY, env: { NODE_OPTIONS: '' } });
}

/** The platform in one process, its prediction log, metrics and traces on: `collector` takes the spans. */
export async function startMillrace(directory: string, collector: string, env: Readonly<Record<string, string>> = {}): Promise<Side> {
  const [port, grpcPort] = [await freePort(), await freePort()];
  const script = fileURLToPath(new URL('../../../services/platform/dist/main.js', import.meta.url));
  const settings = {
    MILLRACE_DATA_DIR: join(directory, 'millrace'),
    MILLRACE_PORT: String(port),
    MILLRACE_GRPC_PORT: String(grpcPort),
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_LOG_LEVEL: 'error',
    MILLRACE_OTLP_ENDPOINT: collector,
    NODE_OPTIONS: '',
    ...env,
  };
  const where = { port, health: '/readyz', env: settings };
  return { ...(await startMeasured({ name: 'millrace', command: process.execPath, args: [script], ...where })), grpcPort };
}
