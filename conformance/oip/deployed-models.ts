import { waitFor } from '@millrace/testing';

/** Registers each model under its name and deploys it, but for the `spare` ones, and waits until those deployed are ready. */
export async function deployModels(
  url: string,
  models: Readonly<Record<string, Uint8Array>>,
  spare: readonly string[] = [],
): Promise<void> {
  const ask = async (method: string, path: string, body: string | Buffer<ArrayBuffer>): Promise<void> => {
    const response = await fetch(`${url}${path}`, { method, headers: { 'content-type': 'application/json' }, body });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  };
  for (const [name, onnx] of Object.entries(models)) {
    await ask('PUT', `/api/2.0/mlflow-artifacts/artifacts/conformance/${name}/model.onnx`, Buffer.from(onnx));
    await ask('POST', '/api/2.0/mlflow/registered-models/create', JSON.stringify({ name }));
    const source = `mlflow-artifacts:/conformance/${name}`;
    await ask('POST', '/api/2.0/mlflow/model-versions/create', JSON.stringify({ name, source }));
  }
  const deployed = Object.keys(models).filter((name) => !spare.includes(name));
  const documents = deployed.map((name) => ({
    apiVersion: 'millrace.dev/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { model: `models:/${name}/1` },
  }));
  await ask('POST', '/api/v1/apply', documents.map((document) => JSON.stringify(document)).join('\n---\n'));
  for (const name of deployed) {
    await waitFor(async () => (await fetch(`${url}/v2/models/${name}/ready`)).ok, { what: `${name} to be ready` });
  }
}
