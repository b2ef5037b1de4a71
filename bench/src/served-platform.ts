import { embeddedTopology, tempDir, waitFor } from '@millrace/testing';

/** A platform of its own for one measurement, and what a client does with it. */
export async function withPlatform<T>(env: Readonly<Record<string, string>>, use: (url: string) => Promise<T>): Promise<T> {
  const directory = await tempDir('bench-engine');
  const platform = await embeddedTopology(directory.path, { MILLRACE_LOG_LEVEL: 'error', ...env });
  try {
    await platform.start();
    return await use(platform.url);
  } finally {
    await platform.stop();
    await directory.remove();
  }
}

export function question(url: string, model: string): { url: string; path: string; body: string } {
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });
  return { url, path: `/v2/models/${model}/infer`, body };
}

export async function ask(url: string, model: string): Promise<void> {
  const { path, body } = question(url, model);
  await call('POST', `${url}${path}`, body);
}

/** Middle run time of a version's warm-up, as the gateway measured it. */
export async function runMs(url: string, model: string, version: number): Promise<number> {
  const check = (await call('GET', `${url}/api/v1/serving/models/${model}/versions/${version}`)) as { runMs: number };
  return check.runMs;
}

export async function register(url: string, name: string, onnx: Uint8Array): Promise<void> {
  const folder = `bench/${name}/${crypto.randomUUID()}`;
  await call('PUT', `${url}/api/2.0/mlflow-artifacts/artifacts/${folder}/model.onnx`, onnx);
  await call('POST', `${url}/api/2.0/mlflow/registered-models/create`, JSON.stringify({ name })).catch(() => undefined);
  const source = `mlflow-artifacts:/${folder}`;
  await call('POST', `${url}/api/2.0/mlflow/model-versions/create`, JSON.stringify({ name, source }));
}

/** Deploys a model under a name, filled by a feature service where one is named, and waits until it is ready. */
export async function deploy(url: string, name: string, model: string, featureService?: string): Promise<void> {
  const spec = { model, ...(featureService === undefined ? {} : { featureService }) };
  const document = { apiVersion: 'millrace.dev/v1', kind: 'Deployment', metadata: { name }, spec };
  await call('POST', `${url}/api/v1/apply`, JSON.stringify(document));
  await waitFor(async () => (await fetch(`${url}/v2/models/${name}/ready`)).ok, { what: `${name} to be ready` });
}

export async function call(method: string, url: string, body?: string | Uint8Array): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: body as string }) });
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
