import type { ArtifactStore } from '@millrace/artifact-store';
import { isFault } from '@millrace/kernel';
import { compareFiles, isTrusted, openBundle, type OpenedBundle, type PublicSigningKey, type SignedFile } from '@millrace/model-signing';
import { createHash } from 'node:crypto';
import { Refusal } from '../domain/refusal.js';
import type { ModelVersion } from '../domain/registry/model-reference.js';

/** What is asked of a version before it serves. */
export interface SignatureRules {
  /** Whether what is not signed may be served. */
  readonly required: boolean;
  /** The keys whose signatures are believed. Without any, a manifest counts as far as the log names it: its digest. */
  readonly trusted: readonly PublicSigningKey[];
}

/** A manifest larger than this lists more files than a model may have. */
const MOST_MANIFEST_BYTES = 4 << 20;

/** Checks a version's signed manifest, and that the files that were read are those it lists. Throws a refusal that names the file otherwise. */
export async function verifySignature(
  store: ArtifactStore,
  version: ModelVersion,
  files: readonly SignedFile[],
  rules: SignatureRules,
): Promise<void> {
  const label = `${version.name} version ${version.version}`;
  const refuse = (why: string): Refusal => new Refusal('MR_INFERENCE_UNSERVABLE', `${label}: ${why}`);
  const { signature } = version;
  if (!signature) {
    if (rules.required)
      throw refuse('it is not signed, and MILLRACE_SIGNATURES asks for it; an admin signs it in the registry, or register it anew');
    return;
  }
  const bundle = await readBundle(store, signature, refuse);
  if (rules.trusted.length > 0 || rules.required) {
    const key = rules.trusted.find(({ keyId }) => keyId === bundle.keyId);
    if (!key)
      throw refuse(`it is signed with the key ${bundle.keyId}, which is not believed here; MILLRACE_TRUSTED_KEYS names those that are`);
    if (!isTrusted(bundle, key))
      throw refuse(`the signature of its manifest ${signature.manifestPath} is not one of the key ${bundle.keyId}`);
  }
  if (bundle.model !== version.registeredAs) throw refuse(`its manifest was signed for the model ${bundle.model}`);
  const differences = compareFiles(bundle.files, files);
  const [first] = differences;
  if (!first) return;
  const file = first.file === '.' ? version.artifactPath : `${version.artifactPath}/${first.file}`;
  const others = differences.length === 1 ? '' : `; ${differences.length - 1} more differ`;
  switch (first.kind) {
    case 'changed':
      throw refuse(`${file} has changed since it was signed (SHA-256 ${first.actual}, signed ${first.expected})${others}`);
    case 'missing':
      throw refuse(`${file} was signed and is gone${others}`);
    case 'added':
      throw refuse(`${file} was added after the others were signed${others}`);
  }
}

async function readBundle(
  store: ArtifactStore,
  { manifestPath, manifestDigest }: NonNullable<ModelVersion['signature']>,
  refuse: (why: string) => Refusal,
): Promise<OpenedBundle> {
  const info = await store.stat(manifestPath);
  if (!info) throw refuse(`its manifest ${manifestPath} is gone`);
  if (info.size > MOST_MANIFEST_BYTES)
    throw refuse(`its manifest ${manifestPath} has ${info.size} bytes, more than ${MOST_MANIFEST_BYTES}`);
  const chunks: Buffer[] = [];
  for await (const chunk of (await store.get(manifestPath)) as AsyncIterable<Buffer>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== manifestDigest) throw refuse(`its manifest ${manifestPath} has changed (SHA-256 ${digest}, on the log ${manifestDigest})`);
  try {
    return openBundle(bytes.toString('utf8'));
  } catch (error) {
    if (isFault(error)) throw refuse(`${manifestPath}: ${error.message}`);
    throw error;
  }
}
