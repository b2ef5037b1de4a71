import { describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import {
  compareFiles,
  directoryDigest,
  generateSigningKey,
  isTrusted,
  openBundle,
  readPublicKeys,
  readSigningKey,
  signFiles,
} from './index.js';

const FILES = [
  { name: 'model.onnx', sha256: 'b'.repeat(64) },
  { name: 'MLmodel', sha256: 'a'.repeat(64) },
];

const pem = (type: 'ed25519' | 'rsa'): string =>
  type === 'rsa'
    ? (generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
    : (generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);

describe('a signed manifest', () => {
  test.each([
    ['P-256', generateSigningKey()],
    ['Ed25519', pem('ed25519')],
  ])('of a key of %s is believed with its public half, and with no other', (_kind, text) => {
    const key = readSigningKey(text, 'the key');
    const opened = openBundle(signFiles('delay', FILES, key));
    expect(opened).toMatchObject({ model: 'delay', keyId: key.public.keyId });
    expect(opened.files.map(({ name }) => name)).toEqual(['MLmodel', 'model.onnx']);
    expect(isTrusted(opened, readPublicKeys(key.public.pem, 'the public key')[0]!)).toBe(true);
    const other = readSigningKey(generateSigningKey(), 'another').public;
    expect(isTrusted(opened, other)).toBe(false);
    expect(isTrusted({ ...opened, keyId: other.keyId }, other)).toBe(false);
  });

  test('is not believed when a byte of its statement is another', () => {
    const key = readSigningKey(generateSigningKey(), 'the key');
    const bundle = JSON.parse(signFiles('delay', FILES, key)) as { dsseEnvelope: { payload: string } };
    const forged = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString().replace('delay', 'delax');
    bundle.dsseEnvelope.payload = Buffer.from(forged).toString('base64');
    expect(isTrusted(openBundle(JSON.stringify(bundle)), key.public)).toBe(false);
  });

  test.each([
    ['nothing', '', 'is not JSON'],
    ['another format', '{"mediaType": "text/plain"}', 'mediaType'],
    ['no envelope', '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}', 'dsseEnvelope is not an object'],
  ])('made of %s says what is wrong', (_what, text, message) => {
    expect(() => openBundle(text)).toThrow(message);
  });

  test('whose root is not that of its files is refused', () => {
    const key = readSigningKey(generateSigningKey(), 'the key');
    const bundle = JSON.parse(signFiles('delay', FILES, key)) as { dsseEnvelope: { payload: string } };
    const forged = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString().replace('b'.repeat(64), 'c'.repeat(64));
    bundle.dsseEnvelope.payload = Buffer.from(forged).toString('base64');
    expect(() => openBundle(JSON.stringify(bundle))).toThrow("subject's digest");
  });
});

describe('keys', () => {
  test('that cannot sign are refused by name, and nothing of them is told', () => {
    expect(() => readSigningKey(pem('rsa'), '/etc/key.pem')).toThrow('/etc/key.pem is a key of type rsa');
    expect(() => readSigningKey('-----BEGIN SECRET-----', '/etc/key.pem')).toThrow(/^\/etc\/key.pem is not the PEM of a private key/);
    expect(() => readPublicKeys('hello', '/etc/trusted.pem')).toThrow('/etc/trusted.pem holds no PEM');
  });

  test('come several in one file', () => {
    const keys = [generateSigningKey(), pem('ed25519')].map((text) => readSigningKey(text, 'a key').public);
    expect(readPublicKeys(keys.map((key) => key.pem).join('\n'), 'trusted').map(({ keyId }) => keyId)).toEqual(
      keys.map(({ keyId }) => keyId),
    );
  });
});

test('differences name the file', () => {
  const actual = [
    { name: 'model.onnx', sha256: 'c'.repeat(64) },
    { name: 'extra.py', sha256: 'd'.repeat(64) },
  ];
  expect(compareFiles(FILES, actual).map(({ file, kind }) => [file, kind])).toEqual([
    ['MLmodel', 'missing'],
    ['extra.py', 'added'],
    ['model.onnx', 'changed'],
  ]);
  expect(directoryDigest([{ name: '.', sha256: 'e'.repeat(64) }])).toBe('e'.repeat(64));
});
