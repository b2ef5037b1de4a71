import { randomUUID } from 'node:crypto';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, test } from '@jest/globals';
import { artifactStoreContract } from '@millrace/artifact-store/contract';
import { S3ArtifactStore } from './s3-artifact-store.js';

const client = {
  endpoint: process.env['MILLRACE_TEST_S3_ENDPOINT'] as string,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
};

async function makeBucket(): Promise<string> {
  const bucket = `millrace-${randomUUID()}`;
  const s3 = new S3Client(client);
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  s3.destroy();
  return bucket;
}

for (const prefix of ['', 'team/artifacts']) {
  artifactStoreContract(`S3ArtifactStore with the prefix ${JSON.stringify(prefix)}`, async () => {
    const store = new S3ArtifactStore({ bucket: await makeBucket(), prefix, client });
    return { store, stop: async () => store.close() };
  });
}

describe('S3ArtifactStore', () => {
  test('sees nothing outside its prefix', async () => {
    const bucket = await makeBucket();
    const whole = new S3ArtifactStore({ bucket, client });
    const part = new S3ArtifactStore({ bucket, prefix: 'mine', client });
    await whole.put('mine-not/file', Buffer.from('x'));
    await whole.put('file', Buffer.from('x'));
    expect(await part.list('')).toEqual([]);
    await part.put('file', Buffer.from('mine'));
    expect((await whole.list('mine')).map((child) => child.path)).toEqual(['mine/file']);
    whole.close();
    part.close();
  });

  test('lists and removes more than one page', async () => {
    const store = new S3ArtifactStore({ bucket: await makeBucket(), client });
    const names = Array.from({ length: 1050 }, (_, index) => `many/${String(index).padStart(4, '0')}`);
    for (let first = 0; first < names.length; first += 50) {
      await Promise.all(names.slice(first, first + 50).map((name) => store.put(name, Buffer.from('x'))));
    }
    expect((await store.list('many')).map((child) => child.path)).toEqual(names);
    await store.remove('many');
    expect(await store.list('many')).toEqual([]);
    store.close();
  });

  test('says so when the bucket is missing', async () => {
    const store = new S3ArtifactStore({ bucket: 'no-such-bucket', client });
    await expect(store.ping()).rejects.toMatchObject({ code: 'MR_ARTIFACT_STORE', retryable: false });
    store.close();
  });
});
