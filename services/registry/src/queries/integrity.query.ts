import type { ArtifactStore } from '@millrace/artifact-store';
import { compareFiles, isTrusted, openBundle, type FileDifference, type PublicSigningKey, type SignedFile } from '@millrace/model-signing';
import { createHash } from 'node:crypto';
import type { ChangedFile, VersionSigner } from '../commands/version-signer.js';
import type { VersionView } from './registry-view.js';

/** What reading every byte of a version found. */
export interface Integrity {
  readonly model: string;
  readonly version: number;
  readonly intact: boolean;
  /** `signed`: by a key that is believed here; `unsigned`; `untrusted`: by another key; `broken`: the manifest is not what the log says. */
  readonly signature: 'signed' | 'unsigned' | 'untrusted' | 'broken';
  readonly keyId: string | null;
  /** What is wrong with the manifest. */
  readonly reason: string | null;
  readonly files: readonly SignedFile[];
  readonly differences: readonly FileDifference[];
  /** Files that are others than when they were uploaded. */
  readonly sinceUpload: readonly ChangedFile[];
}

export interface IntegritySources {
  readonly store: ArtifactStore;
  readonly signer: Pick<VersionSigner, 'files' | 'changed'>;
  readonly trusted: readonly PublicSigningKey[];
}

/** The signed manifest of a version as it lies in the store; `undefined` when it is not there. */
export async function manifestOf(store: ArtifactStore, { version }: VersionView): Promise<Buffer | undefined> {
  if (!version.signature || !(await store.stat(version.signature.manifestPath))) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of (await store.get(version.signature.manifestPath)) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Reads a version's files and its manifest, and holds one to the other. */
export async function integrityOf({ store, signer, trusted }: IntegritySources, view: VersionView): Promise<Integrity> {
  const { registered, version } = view;
  const root = version.artifactPath;
  const files = root === null ? [] : await signer.files(root);
  const sinceUpload = root === null ? [] : await signer.changed(root, files);
  const common = { model: registered.name, version: version.version, keyId: version.signature?.keyId ?? null, files, sinceUpload };
  if (!version.signature) {
    return { ...common, intact: sinceUpload.length === 0, signature: 'unsigned', reason: null, differences: [] };
  }
  const broken = (reason: string): Integrity => ({ ...common, intact: false, signature: 'broken', reason, differences: [] });
  const manifest = await manifestOf(store, view);
  if (!manifest) return broken(`the manifest is not at ${version.signature.manifestPath}`);
  if (createHash('sha256').update(manifest).digest('hex') !== version.signature.manifestDigest) {
    return broken(`the manifest at ${version.signature.manifestPath} is not the one that was signed at the registration`);
  }
  const bundle = openBundle(manifest.toString('utf8'));
  const key = trusted.find(({ keyId }) => keyId === bundle.keyId);
  if (key && !isTrusted(bundle, key)) return broken('the signature is not one of the key it names');
  const differences = compareFiles(bundle.files, files);
  const isIntact = differences.length === 0 && sinceUpload.length === 0;
  return { ...common, intact: isIntact && key !== undefined, signature: key ? 'signed' : 'untrusted', reason: null, differences };
}
