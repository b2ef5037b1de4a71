import { createHash } from 'node:crypto';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import {
  artifactNotFound,
  artifactSegments,
  fileSegments,
  joinArtifactPath,
  type ArtifactInfo,
  type ArtifactStore,
  type ByteRange,
  type MultipartUploads,
  type StoredArtifact,
} from '@millrace/artifact-store';
import { Fault } from '@millrace/kernel';
import { S3Multipart } from './s3-multipart.js';

/** S3's own bounds: parts of at least 5 MiB; 1000 keys a deletion. */
const PART_BYTES = 8 << 20;
const PARTS_IN_FLIGHT = 3;
const KEYS_PER_DELETION = 1000;

export interface S3ArtifactStoreOptions {
  readonly bucket: string;
  /** Keys begin with `<prefix>/`; empty for the bucket's root. */
  readonly prefix?: string;
  /** Endpoint, region, credentials; what is absent comes from the environment the way every AWS tool reads it. */
  readonly client?: S3ClientConfig;
}

/**
 * Artifacts as objects of one bucket. Uploads stream in parts (at most 24 MiB held per upload) and are completed or aborted as a
 * whole. Directories are key prefixes.
 */
export class S3ArtifactStore implements ArtifactStore {
  readonly multipart: MultipartUploads;
  readonly #client: S3Client;
  /** Signs URLs: who is given one sends the bytes as they are, without a checksum that the signature would have to foresee. */
  readonly #signer: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(options: S3ArtifactStoreOptions) {
    this.#client = new S3Client(options.client ?? {});
    this.#signer = new S3Client({ ...options.client, requestChecksumCalculation: 'WHEN_REQUIRED' });
    this.#bucket = options.bucket;
    this.#prefix = artifactSegments(options.prefix ?? '').join('/');
    this.multipart = new S3Multipart({
      client: this.#client,
      signer: this.#signer,
      bucket: this.#bucket,
      key: (segments) => this.#key(segments),
      ask: (path, send) => this.#ask(path, send),
    });
  }

  async put(path: string, body: Readable | Buffer): Promise<StoredArtifact> {
    const target = { Bucket: this.#bucket, Key: this.#key(fileSegments(path)) };
    if (Buffer.isBuffer(body)) {
      await this.#ask(path, () => this.#client.send(new PutObjectCommand({ ...target, Body: body })));
      return { path, size: body.length, sha256: createHash('sha256').update(body).digest('hex') };
    }
    const hash = createHash('sha256');
    let size = 0;
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        hash.update(chunk);
        size += chunk.length;
        done(null, chunk);
      },
    });
    const upload = new Upload({
      client: this.#client,
      params: { ...target, Body: counted },
      partSize: PART_BYTES,
      queueSize: PARTS_IN_FLIGHT,
    });
    const fed = pipeline(body, counted);
    const sent = this.#ask(path, () => upload.done());
    const [feeding, sending] = await Promise.allSettled([
      fed.catch(async (error: unknown) => {
        // The source broke off: what was sent must not become an object.
        await upload.abort();
        throw error;
      }),
      sent.catch((error: unknown) => {
        // The store refused: stop reading the source.
        counted.destroy();
        throw error;
      }),
    ]);
    // A source that broke off makes both fail, and it is the cause; a store that refused destroys the source's pipe.
    if (feeding.status === 'rejected' && (feeding.reason as { code?: unknown }).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw feeding.reason;
    if (sending.status === 'rejected') throw sending.reason;
    if (feeding.status === 'rejected') throw feeding.reason;
    return { path, size, sha256: hash.digest('hex') };
  }

  async get(path: string, range?: ByteRange): Promise<Readable> {
    const Key = this.#key(fileSegments(path));
    const Range = range && `bytes=${range.start}-${range.end}`;
    const answer = await this.#ask(path, () => this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key, Range })));
    return answer.Body as Readable;
  }

  async stat(path: string): Promise<ArtifactInfo | undefined> {
    const segments = artifactSegments(path);
    if (segments.length > 0) {
      try {
        const Key = this.#key(segments);
        const head = await this.#ask(path, () => this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key })));
        return { path, isDirectory: false, size: head.ContentLength ?? 0 };
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'MR_ARTIFACT_NOT_FOUND') throw error;
      }
    }
    const Prefix = this.#directory(segments);
    const below = await this.#ask(path, () => this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket, Prefix, MaxKeys: 1 })));
    return (below.KeyCount ?? 0) > 0 || segments.length === 0 ? { path, isDirectory: true, size: 0 } : undefined;
  }

  async list(directory: string): Promise<readonly ArtifactInfo[]> {
    const Prefix = this.#directory(artifactSegments(directory));
    const children: ArtifactInfo[] = [];
    const nameOf = (key: string): string => joinArtifactPath(directory, key.slice(Prefix.length).replace(/\/$/, ''));
    for await (const page of this.#pages(directory, { Prefix, Delimiter: '/' })) {
      for (const { Prefix: key } of page.CommonPrefixes ?? []) {
        if (key) children.push({ path: nameOf(key), isDirectory: true, size: 0 });
      }
      for (const { Key, Size } of page.Contents ?? []) {
        // Other tools mark a directory by an empty object whose key is the prefix itself.
        if (Key && Key !== Prefix) children.push({ path: nameOf(Key), isDirectory: false, size: Size ?? 0 });
      }
    }
    return children.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  }

  async remove(path: string): Promise<void> {
    const segments = fileSegments(path);
    await this.#delete(path, [this.#key(segments)]);
    for await (const page of this.#pages(path, { Prefix: this.#directory(segments), MaxKeys: KEYS_PER_DELETION })) {
      await this.#delete(
        path,
        (page.Contents ?? []).map((object) => object.Key).filter((key) => key !== undefined),
      );
    }
  }

  signedUrl(method: 'GET' | 'PUT', path: string, seconds: number): Promise<string> {
    const target = { Bucket: this.#bucket, Key: this.#key(fileSegments(path)) };
    const command = method === 'GET' ? new GetObjectCommand(target) : new PutObjectCommand(target);
    return getSignedUrl(this.#signer, command, { expiresIn: seconds });
  }

  uri(path: string): string {
    const segments = artifactSegments(path);
    return `s3://${this.#bucket}/${this.#key(segments).split('/').map(encodeURIComponent).join('/')}`;
  }

  async ping(): Promise<void> {
    await this.#ask('', () => this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket })));
  }

  /** Closes idle connections. */
  close(): void {
    this.#client.destroy();
    this.#signer.destroy();
  }

  #key(segments: readonly string[]): string {
    return joinArtifactPath(this.#prefix, segments.join('/'));
  }

  #directory(segments: readonly string[]): string {
    const key = this.#key(segments);
    return key === '' ? '' : `${key}/`;
  }

  async *#pages(path: string, query: { Prefix: string; Delimiter?: string; MaxKeys?: number }) {
    for (let token: string | undefined; ;) {
      const page = await this.#ask(path, () =>
        this.#client.send(
          new ListObjectsV2Command({ Bucket: this.#bucket, ...query, ...(token === undefined ? {} : { ContinuationToken: token }) }),
        ),
      );
      yield page;
      if (!page.IsTruncated) return;
      token = page.NextContinuationToken;
    }
  }

  async #delete(path: string, keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
    const answer = await this.#ask(path, () => this.#client.send(new DeleteObjectsCommand({ Bucket: this.#bucket, Delete })));
    const [error] = answer.Errors ?? [];
    if (error) throw new Fault('MR_ARTIFACT_STORE', `${error.Key} was not removed: ${error.Code} ${error.Message}`, true);
  }

  /** Runs a request and turns the service's answer into our faults. */
  async #ask<T>(path: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
      const status = $metadata?.httpStatusCode;
      if (name === 'NoSuchKey' || (name === 'NotFound' && path !== '')) throw artifactNotFound(path);
      if (status === undefined && name !== 'TimeoutError') throw error;
      const message = error instanceof Error ? error.message : String(error);
      const retryable = status === undefined || status >= 500 || status === 429;
      throw new Fault('MR_ARTIFACT_STORE', `S3 bucket ${this.#bucket}: ${name ?? 'error'} ${message}`, retryable, { cause: error });
    }
  }
}
