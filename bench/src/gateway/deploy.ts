import { waitFor } from '@millrace/testing';

/** Registers each model under its name and deploys it, with a feature service where one is named, and waits until it is ready. */
export async function deployModels(
  url: string,
  models: Readonly<Record<string, () => Uint8Array>>,
  featureServices: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const [name, onnx] of Object.entries(models)) {
    await call('PUT', `${url}/api/2.0/mlflow-artifacts/artifacts/bench/${name}/model.onnx`, onnx());
    await call('POST', `${url}/api/2.0/mlflow/registered-models/create`, JSON.stringify({ name }));
    const source = `mlflow-artifacts:/bench/${name}`;
    await call('POST', `${url}/api/2.0/mlflow/model-versions/create`, JSON.stringify({ name, source }));
    const featureService = featureServices[name];
    const spec = { model: `models:/${name}/1`, ...(featureService === undefined ? {} : { featureService }) };
    await call(
      'POST',
      `${url}/api/v1/apply`,
      JSON.stringify({ apiVersion: 'millrace.dev/v1', kind: 'Deployment', metadata: { name }, spec }),
    );
    await waitFor(async () => (await fetch(`${url}/v2/models/${name}/ready`)).ok, { what: `${name} to be ready` });
  }
}

async function call(method: string, url: string, body: string | Uint8Array): Promise<void> {
  const response = await fetch(url, { method, headers: { 'content-type': 'application/json' }, body: body as string });
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`);
}
