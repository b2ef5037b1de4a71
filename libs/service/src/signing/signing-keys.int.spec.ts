import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { generateSigningKey } from '@millrace/model-signing';
import { tempDir, type TempDir } from '@millrace/testing';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../config/config.js';
import { signingKeyOf, trustedKeysOf } from './signing-keys.js';

let directory: TempDir;

beforeAll(async () => {
  directory = await tempDir('signing-keys');
});

afterAll(() => directory.remove());

test('an embedded process makes its key once, for its owner only', async () => {
  const config = loadConfig([], { MILLRACE_DATA_DIR: directory.path });
  const first = signingKeyOf(config);
  expect(first?.public.algorithm).toBe('ecdsa-p256');
  expect(signingKeyOf(config)?.public.keyId).toBe(first?.public.keyId);
  expect(trustedKeysOf(config).map(({ keyId }) => keyId)).toEqual([first?.public.keyId]);
  expect((await stat(join(directory.path, 'keys/signing.pem'))).mode & 0o777).toBe(0o600);
});

test('a configured key is taken; processes that share a log make none of their own', async () => {
  const shared = { MILLRACE_DATA_DIR: directory.path, MILLRACE_KAFKA_BROKERS: '127.0.0.1:1' };
  expect(signingKeyOf(loadConfig([], shared))).toBeUndefined();
  expect(trustedKeysOf(loadConfig([], shared))).toEqual([]);
  const path = join(directory.path, 'mine.pem');
  await writeFile(path, generateSigningKey());
  const given = loadConfig([], { ...shared, MILLRACE_SIGNING_KEY: path });
  const trusting = loadConfig([], { ...shared, MILLRACE_TRUSTED_KEYS: path });
  expect(trustedKeysOf(trusting).map(({ keyId }) => keyId)).toEqual([signingKeyOf(given)?.public.keyId]);
});

test('what is amiss names the variable', () => {
  expect(() => signingKeyOf(loadConfig([], { MILLRACE_SIGNING_KEY: '/nowhere/key.pem' }))).toThrow('MILLRACE_SIGNING_KEY names a file');
  expect(() => loadConfig([], { MILLRACE_SIGNATURES: 'required', MILLRACE_KAFKA_BROKERS: '127.0.0.1:1' })).toThrow('MILLRACE_TRUSTED_KEYS');
  expect(() => loadConfig([], { MILLRACE_SIGNATURES: 'yes' })).toThrow('verify, required');
});
