import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compareFiles, isTrusted, openBundle, readPublicKeys } from '@millrace/model-signing';
import { logisticRegression } from '@millrace/onnx';
import {
  embeddedTopology,
  ensureVenv,
  repositoryRoot,
  runCommand,
  tempDir,
  type TempDir,
  type Topology,
  type Venv,
} from '@millrace/testing';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** OpenSSF's own package; it imports pyOpenSSL without asking for it. */
const MODEL_SIGNING = ['model-signing==1.1.1', 'pyopenssl==26.4.0'];
const CLIENT = '3.17.2';

let directory: TempDir;
let platform: Topology;
let mlflow: Venv;
let signing: Venv;
let dataDir: string;

beforeAll(async () => {
  directory = await tempDir('model-signing');
  dataDir = join(directory.path, 'data');
  platform = await embeddedTopology(dataDir);
  await platform.start();
  mlflow = await ensureVenv(`mlflow-${CLIENT}`, [`mlflow-skinny==${CLIENT}`, 'setuptools==75.8.0']);
  signing = await ensureVenv('model-signing', MODEL_SIGNING);
}, 600_000);

afterAll(async () => {
  await platform.stop();
  await directory.remove();
});

async function session<T>(...args: string[]): Promise<T> {
  const output = await runCommand(mlflow.python, [join(import.meta.dirname, 'integrity_session.py'), platform.url, ...args]);
  return JSON.parse(output.split('\n').find((line) => line.startsWith('{')) ?? output) as T;
}

/** Trains and registers a version; the bias makes its bytes its own. */
async function register(bias: number): Promise<{ version: number; run_id: string }> {
  const file = join(directory.path, `model-${bias}.onnx`);
  await writeFile(file, logisticRegression({ features: ['distance', 'hour'], weights: [0.5, -0.25], bias, mean: [0, 0], scale: [1, 1] }));
  return session('register', file);
}

const at = (version: number, what: string) => `${platform.url}/api/v1/models/signed/versions/${version}/${what}`;

async function text(url: string): Promise<string> {
  const response = await fetch(url);
  expect([url, response.status]).toEqual([url, 200]);
  return response.text();
}

async function json<T>(url: string): Promise<T> {
  return JSON.parse(await text(url)) as T;
}

function modelSigning(...args: string[]): { code: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(signing.bin('model_signing'), args, { encoding: 'utf8' });
  return { code: status, out: `${stdout}${stderr}` };
}

function millrace(...args: string[]): { code: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(repositoryRoot, 'cli/dist/main.js'), '--server', platform.url, ...args],
    { encoding: 'utf8' },
  );
  return { code: status, out: `${stdout}${stderr}` };
}

/** Another byte in a file of the artifact store, past the server. */
async function flip(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(file, bytes);
}

async function infer(version: number): Promise<{ status: number; body: string }> {
  const response = await fetch(`${platform.url}/v2/models/signed/versions/${version}/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: [{ name: 'input', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] }),
  });
  return { status: response.status, body: await response.text() };
}

interface Verification {
  readonly intact: boolean;
  readonly signature: string;
  readonly differences: readonly { readonly file: string; readonly kind: string }[];
  readonly sinceUpload: readonly { readonly file: string }[];
}

describe('a registered version', () => {
  test('is verified by OpenSSF’s model_signing, by the command line and by the gateway', async () => {
    const { version, run_id } = await register(1);
    const { keys } = await json<{ keys: { keyId: string; algorithm: string; pem: string }[] }>(`${platform.url}/api/v1/signing-keys`);
    expect(keys.map(({ algorithm }) => algorithm)).toEqual(['ecdsa-p256']);
    const [signature, key] = [join(directory.path, 'signed.sigstore.json'), join(directory.path, 'key.pem')];
    await writeFile(signature, await text(at(version, 'manifest')));
    await writeFile(key, await text(`${platform.url}/api/v1/signing-keys/${keys[0]!.keyId}`));
    const downloads = join(directory.path, 'downloads');
    await mkdir(downloads);
    const { folder } = await session<{ folder: string }>('download', String(version), downloads);
    const verify = () => modelSigning('verify', 'key', folder, '--signature', signature, '--public_key', key);
    expect(verify()).toMatchObject({ code: 0, out: expect.stringContaining('Verification succeeded') });
    await flip(join(folder, 'data/model.onnx'));
    expect(verify()).toMatchObject({ code: 1, out: expect.stringContaining("Hash mismatch for 'data/model.onnx'") });

    expect(millrace('models', 'verify', 'signed', String(version), '--key', key)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/signature: good.*\nsigned version 1 is what was signed: 2 files/),
    });
    expect(await json<Verification>(at(version, 'verification'))).toMatchObject({ intact: true, signature: 'signed', differences: [] });
    const uploaded = await json<{ files: { path: string; sha256: string; state: string }[]; intact: boolean }>(
      `${platform.url}/api/v1/runs/${run_id}/artifacts?verify=true`,
    );
    expect(uploaded.intact).toBe(true);
    expect(uploaded.files.map(({ path, state }) => [path, state])).toEqual([
      ['model/MLmodel', 'intact'],
      ['model/data/model.onnx', 'intact'],
    ]);
    expect((await infer(version)).status).toBe(200);
  }, 600_000);

  test('of which a byte was changed serves nobody, is not registered again, and every check names the file', async () => {
    const { version, run_id } = await register(2);
    const files = await json<{ files: { path: string }[] }>(at(version, 'files'));
    expect(files.files.map(({ path }) => path)).toEqual(['MLmodel', 'data/model.onnx']);
    const experiment = (await json<{ run: { info: { artifact_uri: string } } }>(`${platform.url}/api/2.0/mlflow/runs/get?run_id=${run_id}`))
      .run.info.artifact_uri;
    const root = join(dataDir, 'artifacts', experiment.replace(/^mlflow-artifacts:\/*/, ''));
    await flip(join(root, 'model/data/model.onnx'));

    const answer = await infer(version);
    expect(answer.status).toBe(503);
    expect(answer.body).toMatch(/model\/data\/model\.onnx has changed since it was signed \(SHA-256 [0-9a-f]{64}, signed [0-9a-f]{64}\)/);
    expect(millrace('models', 'verify', 'signed', String(version))).toMatchObject({
      code: 1,
      out: expect.stringMatching(/data\/model\.onnx has changed since it was signed[^]*is NOT what was signed/),
    });
    expect(await json<Verification>(at(version, 'verification'))).toMatchObject({
      intact: false,
      differences: [{ file: 'data/model.onnx', kind: 'changed' }],
      sinceUpload: [{ file: 'data/model.onnx' }],
    });
    const uploaded = await json<{ files: object[] }>(`${platform.url}/api/v1/runs/${run_id}/artifacts?verify=true`);
    expect(uploaded).toMatchObject({ intact: false, files: [{ state: 'intact' }, { path: 'model/data/model.onnx', state: 'changed' }] });
    expect(await session<{ refusal: string }>('again', run_id)).toEqual({
      refusal: expect.stringMatching(/RESOURCE_CONFLICT.*model\/data\/model\.onnx is not what was uploaded/s),
    });
  }, 600_000);

  test('to which a file was added, or whose manifest was exchanged, serves nobody', async () => {
    const [added, exchanged] = [await register(3), await register(4)];
    const target = `${platform.url}/api/2.0/mlflow-artifacts/artifacts`;
    const root = async (run: string) =>
      (
        await json<{ run: { info: { artifact_uri: string } } }>(`${platform.url}/api/2.0/mlflow/runs/get?run_id=${run}`)
      ).run.info.artifact_uri.replace(/^mlflow-artifacts:\/*/, '');
    await fetch(`${target}/${await root(added.run_id)}/model/extra.py`, { method: 'PUT', body: 'print()' });
    expect((await infer(added.version)).body).toContain('model/extra.py was added after the others were signed');
    const other = Buffer.from(await text(at(added.version, 'manifest')));
    const manifest = createHash('sha256')
      .update(await text(at(exchanged.version, 'manifest')))
      .digest('hex');
    await fetch(`${target}/manifests/${manifest}.json`, { method: 'PUT', body: other });
    expect((await infer(exchanged.version)).body).toMatch(/its manifest manifests\/[0-9a-f]{64}\.json has changed/);
    expect(await json<Verification>(at(exchanged.version, 'verification'))).toMatchObject({ intact: false, signature: 'broken' });
  }, 600_000);
});

test('files sent in parts are recorded with their digest', async () => {
  const base = `${platform.url}/api/2.0/mlflow-artifacts`;
  const post = async (path: string, body: object) =>
    (await (await fetch(`${base}/${path}`, { method: 'POST', body: JSON.stringify(body) })).json()) as {
      upload_id: string;
      credentials: { url: string; part_number: number }[];
    };
  const { run_id } = await register(5);
  const run = await json<{ run: { info: { artifact_uri: string } } }>(`${platform.url}/api/2.0/mlflow/runs/get?run_id=${run_id}`);
  const folder = `${run.run.info.artifact_uri.replace(/^mlflow-artifacts:\/*/, '')}/large`;
  const { upload_id, credentials } = await post(`mpu/create/${folder}`, { path: 'weights.bin', num_parts: 2 });
  const bytes = [Buffer.alloc(6 << 20, 1), Buffer.from('the end')];
  const parts = [];
  for (const { url, part_number } of credentials) {
    const sent = await fetch(url, { method: 'PUT', body: bytes[part_number - 1] as Buffer<ArrayBuffer> });
    parts.push({ part_number, etag: sent.headers.get('etag'), url });
  }
  await post(`mpu/complete/${folder}`, { path: 'weights.bin', upload_id, parts });
  const { files } = await json<{ files: { path: string; sha256: string; size: number }[] }>(
    `${platform.url}/api/v1/runs/${run_id}/artifacts`,
  );
  const expected = createHash('sha256').update(Buffer.concat(bytes)).digest('hex');
  expect(files.find(({ path }) => path === 'large/weights.bin')).toMatchObject({ sha256: expected, size: (6 << 20) + 7 });
}, 600_000);

test('what model_signing has signed is read and believed here, and a flipped byte is found', async () => {
  const folder = join(directory.path, 'theirs');
  await mkdir(join(folder, 'sub'), { recursive: true });
  await writeFile(join(folder, 'a'), 'a');
  await writeFile(join(folder, 'sub/b'), 'b');
  const [privateKey, publicKey, signature] = ['their.key', 'their.pub', 'their.sig'].map((name) => join(directory.path, name)) as [
    string,
    string,
    string,
  ];
  await runCommand('openssl', ['ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', privateKey]);
  await runCommand('openssl', ['ec', '-in', privateKey, '-pubout', '-out', publicKey]);
  expect(modelSigning('sign', 'key', folder, '--signature', signature, '--private_key', privateKey).code).toBe(0);
  const bundle = openBundle(await readFile(signature, 'utf8'));
  expect(isTrusted(bundle, readPublicKeys(await readFile(publicKey, 'utf8'), 'theirs')[0]!)).toBe(true);
  const digest = (content: string) => createHash('sha256').update(content).digest('hex');
  const actual = (b: string) => [
    { name: 'a', sha256: digest('a') },
    { name: 'sub/b', sha256: digest(b) },
  ];
  expect(compareFiles(bundle.files, actual('b'))).toEqual([]);
  expect(compareFiles(bundle.files, actual('c'))).toMatchObject([{ file: 'sub/b', kind: 'changed' }]);
}, 120_000);
