import { afterAll, beforeAll, test } from '@jest/globals';
import { generateSigningKey, readSigningKey, type SigningKey } from '@millrace/model-signing';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceModule, inferenceConfig } from './index.js';
import { delayModel } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';

let temp: TempDir;
let service: RunningService;
let models: PublishedModels;
let edwards: SigningKey;
let curve: SigningKey;
const stranger = readSigningKey(generateSigningKey(), 'a stranger');

beforeAll(async () => {
  temp = await tempDir('signatures');
  const [ed, ec] = [join(temp.path, 'ed25519.pem'), join(temp.path, 'p256.pem')];
  edwards = readSigningKey(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 'an Ed25519 key');
  curve = readSigningKey(generateSigningKey(), 'a P-256 key');
  await writeFile(ed, edwards.public.pem);
  await writeFile(ec, curve.public.pem);
  const environment = {
    MILLRACE_DATA_DIR: join(temp.path, 'data'),
    MILLRACE_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_LOG_LEVEL: 'error',
    MILLRACE_SIGNATURES: 'required',
    MILLRACE_TRUSTED_KEYS: `${ed}, ${ec}`,
  };
  service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  models = new PublishedModels(service.host);
}, 60_000);

afterAll(async () => {
  await service.close();
  await temp.remove();
});

const bytes = (bias: number): { onnx: Uint8Array; sha256: string } => {
  const onnx = delayModel(bias);
  return { onnx, sha256: createHash('sha256').update(onnx).digest('hex') };
};

async function ask(version: number): Promise<string> {
  const response = await fetch(`${service.url}/v2/models/delay/versions/${version}/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }] }),
  });
  return response.ok ? 'served' : ((await response.json()) as { error: string }).error;
}

const comesTo = (version: number, answer: RegExp) =>
  waitFor(async () => answer.test(await ask(version)), { what: `version ${version} to be ${answer}` });

test('serves nothing unsigned where signatures are required, and a version as soon as it is signed', async () => {
  const { onnx, sha256 } = bytes(0);
  const version = await models.register('delay', onnx);
  await comesTo(version, /delay version 1: it is not signed, and MILLRACE_SIGNATURES asks for it/);
  await models.sign('delay', version, sha256, edwards);
  await comesTo(version, /^served$/);
});

test('believes the keys it is told to believe, and no other', async () => {
  const { onnx, sha256 } = bytes(1);
  const version = await models.register('delay', onnx);
  await models.sign('delay', version, sha256, stranger);
  await comesTo(version, new RegExp(`is signed with the key ${stranger.public.keyId}, which is not believed here; MILLRACE_TRUSTED_KEYS`));
  await models.sign('delay', version, sha256, { ...stranger, public: { ...stranger.public, keyId: curve.public.keyId } });
  await comesTo(version, new RegExp(`the signature of its manifest manifests/.* is not one of the key ${curve.public.keyId}`));
  await models.sign('delay', version, sha256, curve);
  await comesTo(version, /^served$/);
});

test('takes a signature only for the files and the model it was made for', async () => {
  const { onnx, sha256 } = bytes(2);
  const version = await models.register('delay', onnx);
  await models.sign('delay', version, bytes(3).sha256, curve);
  await comesTo(version, /models\/delay\/3\/model.onnx has changed since it was signed/);
  await models.sign('delay', version, sha256, curve, 'another');
  await comesTo(version, /its manifest was signed for the model another/);
  await models.sign('delay', version, sha256, curve);
  await comesTo(version, /^served$/);
});
