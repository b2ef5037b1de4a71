import type { ArtifactInfo, ArtifactStore, ByteRange, MultipartUploads, StoredArtifact, UploadedPart } from '@millrace/artifact-store';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';

/** A file that was written, as the log is told. No digest: a client was given a URL and writes it past this process. */
export interface WrittenFile {
  readonly path: string;
  readonly sha256: string | null;
  readonly size: number | null;
}

/**
 * An artifact store that tells what was written into it. The file is there before it is told; a writer who is told of a failure writes again,
 * and the record follows then.
 */
export class RecordingStore implements ArtifactStore {
  readonly multipart: MultipartUploads;
  readonly signedUrl?: NonNullable<ArtifactStore['signedUrl']>;

  constructor(
    private readonly store: ArtifactStore,
    private readonly record: (file: WrittenFile) => Promise<void>,
  ) {
    this.multipart = new RecordingUploads(store, record);
    if (store.signedUrl) {
      this.signedUrl = async (method, path, seconds) => {
        const url = await (store.signedUrl as NonNullable<ArtifactStore['signedUrl']>)(method, path, seconds);
        // Before the client has it: what it writes may not be taken for a change nobody made.
        if (method === 'PUT') await record({ path, sha256: null, size: null });
        return url;
      };
    }
  }

  async put(path: string, body: Readable | Buffer): Promise<StoredArtifact> {
    const stored = await this.store.put(path, body);
    await this.record({ path, sha256: stored.sha256, size: stored.size });
    return stored;
  }

  get(path: string, range?: ByteRange): Promise<Readable> {
    return this.store.get(path, range);
  }

  stat(path: string): Promise<ArtifactInfo | undefined> {
    return this.store.stat(path);
  }

  list(directory: string): Promise<readonly ArtifactInfo[]> {
    return this.store.list(directory);
  }

  remove(path: string): Promise<void> {
    return this.store.remove(path);
  }

  uri(path: string): string {
    return this.store.uri(path);
  }

  ping(): Promise<void> {
    return this.store.ping();
  }
}

class RecordingUploads implements MultipartUploads {
  readonly partUrl?: NonNullable<MultipartUploads['partUrl']>;

  constructor(
    private readonly store: ArtifactStore,
    private readonly record: (file: WrittenFile) => Promise<void>,
  ) {
    const { multipart } = store;
    if (multipart.partUrl) this.partUrl = multipart.partUrl.bind(multipart);
  }

  create(path: string): Promise<string> {
    return this.store.multipart.create(path);
  }

  putPart(path: string, uploadId: string, partNumber: number, body: Readable): Promise<string> {
    return this.store.multipart.putPart(path, uploadId, partNumber, body);
  }

  /** The parts may have gone to the store past this process, in any order: the digest is that of the file they became. */
  async complete(path: string, uploadId: string, parts: readonly UploadedPart[]): Promise<void> {
    await this.store.multipart.complete(path, uploadId, parts);
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of (await this.store.get(path)) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
    }
    await this.record({ path, sha256: hash.digest('hex'), size });
  }

  abort(path: string, uploadId: string): Promise<void> {
    return this.store.multipart.abort(path, uploadId);
  }
}
