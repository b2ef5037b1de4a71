import type { ArtifactStore } from '@millrace/artifact-store';
import { fileDigests, signFiles, type SignedFile, type SigningKey } from '@millrace/model-signing';
import type { RecordedFile } from '@millrace/service';
import { createHash } from 'node:crypto';
import type { VersionSignature } from '../domain/model/model.events.js';

/** A file whose bytes are not those that were uploaded. */
export interface ChangedFile {
  readonly file: string;
  readonly uploaded: string;
  readonly actual: string;
}

export interface VersionSignerOptions {
  readonly store: ArtifactStore;
  /** Without a key versions are registered unsigned. */
  readonly key: SigningKey | undefined;
  /** The digests of a path's files when they were uploaded. */
  readonly recorded: (root: string) => Promise<readonly RecordedFile[]>;
}

/** The manifests lie in the artifact store, by their own digest; the log says which one is a version's. */
const MANIFESTS = 'manifests';

/** Reads a version's files, holds them to what was uploaded, and signs the list of them. */
export class VersionSigner {
  constructor(private readonly options: VersionSignerOptions) {}

  get keyId(): string | undefined {
    return this.options.key?.public.keyId;
  }

  files(root: string): Promise<SignedFile[]> {
    return fileDigests(this.options.store, root);
  }

  /** Files that are others now than when they were uploaded. Those of which nothing is recorded are not among them. */
  async changed(root: string, files: readonly SignedFile[]): Promise<ChangedFile[]> {
    const recorded = new Map((await this.options.recorded(root)).map(({ path, sha256 }) => [path, sha256]));
    return files.flatMap(({ name, sha256: actual }) => {
      const uploaded = recorded.get(name === '.' ? root : `${root}/${name}`) ?? null;
      return uploaded === null || uploaded === actual ? [] : [{ file: name, uploaded, actual }];
    });
  }

  /** Signs the files under the model's name, puts the manifest into the store and says where. */
  async sign(model: string, files: readonly SignedFile[]): Promise<VersionSignature | undefined> {
    const { key, store } = this.options;
    if (!key || files.length === 0) return undefined;
    const manifest = Buffer.from(signFiles(model, files, key));
    const manifestDigest = createHash('sha256').update(manifest).digest('hex');
    const manifestPath = `${MANIFESTS}/${manifestDigest}.json`;
    await store.put(manifestPath, manifest);
    return { keyId: key.public.keyId, manifestPath, manifestDigest };
  }
}
