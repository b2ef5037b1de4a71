import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, runCommand, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { join } from 'node:path';
import { MODELS } from './models.js';

describe('clients of the Open Inference Protocol', () => {
  let directory: TempDir;
  let platform: Topology;

  beforeAll(async () => {
    directory = await tempDir('oip');
    platform = await embeddedTopology(directory.path);
    await platform.start();
    for (const [name, onnx] of Object.entries(MODELS)) await register(name, Buffer.from(onnx));
    const documents = Object.keys(MODELS).map((name) => ({
      apiVersion: 'millrace.dev/v1',
      kind: 'Deployment',
      metadata: { name },
      spec: { model: `models:/${name}/1` },
    }));
    await ask('POST', '/api/v1/apply', documents.map((document) => JSON.stringify(document)).join('\n---\n'));
    for (const name of Object.keys(MODELS)) {
      await waitFor(async () => (await fetch(`${platform.url}/v2/models/${name}/ready`)).ok, { what: `${name} to be ready` });
    }
  }, 120_000);

  afterAll(async () => {
    await platform.stop();
    await directory.remove();
  });

  async function ask(method: string, path: string, body: string | Buffer<ArrayBuffer>): Promise<void> {
    const response = await fetch(`${platform.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body,
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  }

  async function register(name: string, onnx: Buffer<ArrayBuffer>): Promise<void> {
    await ask('PUT', `/api/2.0/mlflow-artifacts/artifacts/conformance/${name}/model.onnx`, onnx);
    await ask('POST', '/api/2.0/mlflow/registered-models/create', JSON.stringify({ name }));
    const source = `mlflow-artifacts:/conformance/${name}`;
    await ask('POST', '/api/2.0/mlflow/model-versions/create', JSON.stringify({ name, source }));
  }

  test.each([
    ['tritonclient', '2.73.0', ['tritonclient[http]==2.73.0', 'numpy==2.4.6'], 'triton_session.py'],
    ['kserve', '0.21.0', ['kserve==0.21.0'], 'kserve_session.py'],
  ])(
    '%s %s does a whole session',
    async (name, version, requirements, script) => {
      const venv = await ensureVenv(`oip-${name}`, requirements);
      const output = await runCommand(venv.python, [join(import.meta.dirname, script), platform.url]);
      expect(output.trim().split('\n').at(-1)).toBe(version);
    },
    600_000,
  );
});
