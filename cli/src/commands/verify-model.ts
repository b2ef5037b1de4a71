import {
  compareFiles,
  directoryDigest,
  isTrusted,
  openBundle,
  readPublicKeys,
  type FileDifference,
  type SignedFile,
} from '@millrace/model-signing';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import type { Io } from '../io.js';
import { filePath, type ListedFile } from '../optimize/version-files.js';

export interface VerifyModelOptions {
  /** PEM file of the public key; without it the server's keys are asked for. */
  readonly key?: string;
  readonly output: string;
}

interface Verified {
  readonly model: string;
  readonly version: number;
  readonly intact: boolean;
  readonly keyId: string;
  readonly keyFrom: string;
  readonly signature: 'good' | 'bad' | 'unknown key';
  readonly files: number;
  readonly bytes: number;
  readonly digest: string;
  readonly differences: readonly FileDifference[];
}

const EXTRA_MS = 10 * 60_000;

/**
 * Verifies a version here, not at the server: its manifest's signature with a public key, and the digest of every file as the server gives it out.
 * False when something is amiss.
 */
export async function verifyModel(
  client: MillraceClient,
  io: Io,
  name: string,
  version: string,
  options: VerifyModelOptions,
): Promise<boolean> {
  const base = `/api/v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`;
  const manifest = await (await client.call('GET', `${base}/manifest`)).text();
  const bundle = readable(() => openBundle(manifest));
  const keys = options.key === undefined ? await serverKeys(client) : await keysIn(options.key);
  const key = keys.find(({ keyId }) => keyId === bundle.keyId);
  const signature = key === undefined ? 'unknown key' : isTrusted(bundle, key) ? 'good' : 'bad';
  const listed = await client.json<{ files: readonly ListedFile[] }>('GET', `${base}/files`);
  const files: SignedFile[] = [];
  for (const file of listed.files) {
    const { path } = file;
    if (io.isInteractive) io.err(`reading ${path} (${files.length + 1} of ${listed.files.length})\n`);
    files.push({ name: path, sha256: await digestOf(client, filePath(`${base}/files`, file)) });
  }
  const differences = compareFiles(bundle.files, files);
  const verified: Verified = {
    model: name,
    version: Number(version),
    intact: signature === 'good' && differences.length === 0,
    keyId: bundle.keyId,
    keyFrom: options.key ?? 'the server',
    signature,
    files: files.length,
    bytes: listed.files.reduce((sum, { size }) => sum + size, 0),
    digest: directoryDigest(files),
    differences,
  };
  if (options.output === 'json') io.out(`${JSON.stringify(verified, null, 2)}\n`);
  else tell(io, verified);
  return verified.intact;
}

async function serverKeys(client: MillraceClient) {
  const { keys } = await client.json<{ keys: readonly { pem: string }[] }>('GET', '/api/v1/signing-keys');
  return keys.length === 0 ? [] : readPublicKeys(keys.map(({ pem }) => pem).join('\n'), "the server's keys");
}

async function keysIn(path: string) {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (cause) {
    throw new CliError(`--key ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, { cause });
  }
  return readable(() => readPublicKeys(pem, `--key ${path}`));
}

/** What a manifest or a key is not is a finding, told in a sentence. */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!String((cause as { code?: unknown }).code).startsWith('MR_SIGNING_')) throw cause;
    throw new CliError(cause instanceof Error ? cause.message : String(cause), EXIT.found, { cause });
  }
}

async function digestOf(client: MillraceClient, path: string): Promise<string> {
  const response = await client.call('GET', path, { extraTimeMs: EXTRA_MS });
  const hash = createHash('sha256');
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) hash.update(chunk);
  return hash.digest('hex');
}

const SAYS: Readonly<Record<FileDifference['kind'], string>> = {
  changed: 'has changed since it was signed',
  missing: 'was signed and is gone',
  added: 'was added after the others were signed',
};

function tell(io: Io, verified: Verified): void {
  const { model, version, signature, keyId, keyFrom, files, bytes, digest, differences } = verified;
  const key = `${keyId.slice(0, 16)}…`;
  const says = {
    good: `good, by key ${key} (from ${keyFrom})`,
    bad: `is not one of key ${key}`,
    'unknown key': `by key ${keyId}, which ${keyFrom} does not have`,
  };
  io.out(`signature: ${says[signature]}\n`);
  for (const { file, kind, expected, actual } of differences) {
    const digests = kind === 'changed' ? ` (SHA-256 ${actual}, signed ${expected})` : '';
    io.out(`${file === '.' ? 'the file' : file} ${SAYS[kind]}${digests}\n`);
  }
  const verdict = verified.intact ? 'is what was signed' : 'is NOT what was signed';
  io.out(`${model} version ${version} ${verdict}: ${files} file${files === 1 ? '' : 's'}, ${bytes} bytes, SHA-256 ${digest}\n`);
}
