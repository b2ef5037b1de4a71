import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { artifactStoreContract } from '@millrace/artifact-store/contract';
import { FilesystemArtifactStore } from '@millrace/artifact-store-filesystem';
import { S3ArtifactStore } from '@millrace/artifact-store-s3';
import { tempDir, type TempDir } from '@millrace/testing';
import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { RecordingStore, type WrittenFile } from './recording-store.js';

const endpoint = process.env['MILLRACE_TEST_S3_ENDPOINT'] as string;
const client = { endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

artifactStoreContract('RecordingStore', async () => {
  const directory = await tempDir('recording');
  const store = new RecordingStore(await FilesystemArtifactStore.open(directory.path), async () => undefined);
  return { store, stop: () => directory.remove() };
});

describe('what is written is recorded', () => {
  let directory: TempDir;
  let s3: S3ArtifactStore;
  const written: WrittenFile[] = [];
  const record = async (file: WrittenFile): Promise<void> => void written.push(file);

  beforeAll(async () => {
    directory = await tempDir('recording');
    const bucket = `millrace-${randomUUID()}`;
    expect((await fetch(`${endpoint}/${bucket}`, { method: 'PUT' })).ok).toBe(true);
    s3 = new S3ArtifactStore({ bucket, client });
  });
  afterAll(async () => {
    s3.close();
    await directory.remove();
  });

  test('with the digest of the bytes that streamed in', async () => {
    const store = new RecordingStore(await FilesystemArtifactStore.open(directory.path), record);
    await store.put('a/b', Readable.from([Buffer.from('one'), Buffer.from('two')]));
    expect(written.splice(0)).toEqual([{ path: 'a/b', sha256: sha256(Buffer.from('onetwo')), size: 6 }]);
    expect(store.signedUrl).toBeUndefined();
  });

  test('with the digest of the file its parts have become, though they went to S3 past this process', async () => {
    const store = new RecordingStore(s3, record);
    const parts = [Buffer.alloc(5 << 20, 1), Buffer.from('the end')];
    const id = await store.multipart.create('parts/file');
    const sent = [];
    for (const [index, bytes] of parts.entries()) {
      const url = await store.multipart.partUrl!('parts/file', id, index + 1);
      const response = await fetch(url, { method: 'PUT', body: bytes });
      sent.push({ partNumber: index + 1, etag: response.headers.get('etag') ?? '' });
    }
    await store.multipart.complete('parts/file', id, sent);
    const whole = Buffer.concat(parts);
    expect(written.splice(0)).toEqual([{ path: 'parts/file', sha256: sha256(whole), size: whole.length }]);
  });

  test('without a digest when a client is given a URL to write it past this process', async () => {
    const store = new RecordingStore(s3, record);
    await store.signedUrl!('GET', 'parts/file', 60);
    await store.signedUrl!('PUT', 'parts/file', 60);
    expect(written.splice(0)).toEqual([{ path: 'parts/file', sha256: null, size: null }]);
  });
});
