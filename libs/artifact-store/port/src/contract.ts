import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { artifactDigest, type ArtifactStore, type ByteRange } from './index.js';

export interface ArtifactStoreUnderTest {
  readonly store: ArtifactStore;
  stop(): Promise<void>;
}

/** What every {@link ArtifactStore} does. `make` gives an empty store. */
export function artifactStoreContract(name: string, make: () => Promise<ArtifactStoreUnderTest>): void {
  describe(`${name} keeps the artifact store contract`, () => {
    let under: ArtifactStoreUnderTest;
    let store: ArtifactStore;

    beforeAll(async () => {
      under = await make();
      store = under.store;
    });

    afterAll(async () => {
      await under.stop();
    });

    test('gives back the bytes it was given, with their size and digest', async () => {
      const body = Buffer.from('the bytes of a model');
      const stored = await store.put('bytes/model.bin', body);
      expect(stored).toEqual({ path: 'bytes/model.bin', size: body.length, sha256: sha256(body) });
      expect(await bytesOf(store, 'bytes/model.bin')).toEqual(body);
      expect(await store.stat('bytes/model.bin')).toEqual({ path: 'bytes/model.bin', isDirectory: false, size: body.length });
    });

    test('streams in and out what does not fit one part', async () => {
      const chunk = Buffer.alloc(1 << 20, 7);
      const chunks = Array.from({ length: 12 }, (_, index) => Buffer.concat([Buffer.from([index]), chunk]));
      const whole = Buffer.concat(chunks);
      const stored = await store.put('large/file.bin', Readable.from(chunks));
      expect(stored).toEqual({ path: 'large/file.bin', size: whole.length, sha256: sha256(whole) });
      expect(sha256(await bytesOf(store, 'large/file.bin'))).toBe(stored.sha256);
    });

    test('streams some bytes of a file', async () => {
      const whole = Buffer.from(Array.from({ length: 3 << 20 }, (_, index) => index % 251));
      await store.put('ranges/file', whole);
      for (const range of [
        { start: 0, end: 0 },
        { start: 10, end: 19 },
        { start: 1 << 20, end: (2 << 20) + 7 },
        { start: whole.length - 3, end: whole.length - 1 },
      ]) {
        expect((await bytesOf(store, 'ranges/file', range)).equals(whole.subarray(range.start, range.end + 1))).toBe(true);
      }
      await expect(store.get('ranges/none', { start: 0, end: 1 })).rejects.toMatchObject({ code: 'MR_ARTIFACT_NOT_FOUND' });
    });

    test('keeps an empty file', async () => {
      await store.put('empty/buffer', Buffer.alloc(0));
      await store.put('empty/stream', Readable.from([]));
      expect((await bytesOf(store, 'empty/buffer')).length).toBe(0);
      expect((await bytesOf(store, 'empty/stream')).length).toBe(0);
      expect(await store.list('empty')).toEqual([
        { path: 'empty/buffer', isDirectory: false, size: 0 },
        { path: 'empty/stream', isDirectory: false, size: 0 },
      ]);
    });

    test('replaces a file as a whole', async () => {
      await store.put('replaced/file', Buffer.from('a long first version'));
      await store.put('replaced/file', Buffer.from('second'));
      expect((await bytesOf(store, 'replaced/file')).toString()).toBe('second');
    });

    test('lists the direct children of a directory in the order of their paths', async () => {
      for (const path of ['tree/b.txt', 'tree/a/deep/file.txt', 'tree/a.txt', 'tree/ä.txt', 'tree/Z.txt']) {
        await store.put(path, Buffer.from(path));
      }
      expect(await store.list('tree')).toEqual([
        { path: 'tree/Z.txt', isDirectory: false, size: 10 },
        { path: 'tree/a', isDirectory: true, size: 0 },
        { path: 'tree/a.txt', isDirectory: false, size: 10 },
        { path: 'tree/b.txt', isDirectory: false, size: 10 },
        { path: 'tree/ä.txt', isDirectory: false, size: 11 },
      ]);
      expect(await store.stat('tree/a')).toEqual({ path: 'tree/a', isDirectory: true, size: 0 });
      expect((await store.list('')).map((child) => child.path)).toContain('tree');
    });

    test('lists nothing where there is no directory', async () => {
      await store.put('flat/file.txt', Buffer.from('x'));
      expect(await store.list('nowhere')).toEqual([]);
      expect(await store.list('flat/file.txt')).toEqual([]);
    });

    test('keeps names that need care in URLs, files and keys', async () => {
      const names = ['with space', 'plus+and%25', 'quote\'"', 'ünï', 'a=b&c', '#hash?', '.hidden', '...', 'name:1'];
      for (const name of names) await store.put(`names/${name}/${name}`, Buffer.from(name));
      for (const name of names) expect((await bytesOf(store, `names/${name}/${name}`)).toString()).toBe(name);
      const listed = (await store.list('names')).map((child) => child.path.slice('names/'.length));
      expect(new Set(listed)).toEqual(new Set(names));
    });

    test('says that there is no such file', async () => {
      await expect(store.get('missing/file')).rejects.toMatchObject({ code: 'MR_ARTIFACT_NOT_FOUND' });
      expect(await store.stat('missing/file')).toBeUndefined();
    });

    test('does not give a directory as a file', async () => {
      await store.put('directory/file', Buffer.from('x'));
      await expect(store.get('directory')).rejects.toMatchObject({ code: 'MR_ARTIFACT_NOT_FOUND' });
    });

    test('removes a file, a directory with all below it, and what is not there', async () => {
      await store.put('gone/a', Buffer.from('a'));
      await store.put('gone/below/b', Buffer.from('b'));
      await store.put('gone-not/c', Buffer.from('c'));
      await store.remove('gone/a');
      expect((await store.list('gone')).map((child) => child.path)).toEqual(['gone/below']);
      await store.remove('gone');
      await store.remove('gone');
      expect(await store.list('gone')).toEqual([]);
      expect(await store.stat('gone/below/b')).toBeUndefined();
      expect((await bytesOf(store, 'gone-not/c')).toString()).toBe('c');
    });

    test.each(['../escape', 'a/../../escape', '/absolute', 'a//b', 'a/', './a', 'a/.', 'a\\b', 'nul\0', 'line\nbreak'])(
      'refuses the path %j',
      async (path) => {
        const refusal = { code: 'MR_ARTIFACT_PATH' };
        await expect(store.put(path, Buffer.from('x'))).rejects.toMatchObject(refusal);
        await expect(store.get(path)).rejects.toMatchObject(refusal);
        await expect(store.stat(path)).rejects.toMatchObject(refusal);
        await expect(store.list(path)).rejects.toMatchObject(refusal);
        await expect(store.remove(path)).rejects.toMatchObject(refusal);
        expect(() => store.uri(path)).toThrow('refused');
      },
    );

    test('refuses a path of more than 1024 bytes', async () => {
      await expect(store.put('ü'.repeat(513), Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_ARTIFACT_PATH' });
    });

    test('refuses to write or remove the root', async () => {
      await expect(store.put('', Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_ARTIFACT_PATH' });
      await expect(store.remove('')).rejects.toMatchObject({ code: 'MR_ARTIFACT_PATH' });
    });

    test('keeps nothing of an upload that broke off', async () => {
      await store.put('broken/file', Buffer.from('the version before'));
      const body = (): Readable =>
        Readable.from(
          (async function* () {
            yield Buffer.alloc(6 << 20, 1);
            throw new Error('the client went away');
          })(),
        );
      await expect(store.put('broken/file', body())).rejects.toThrow('the client went away');
      await expect(store.put('broken/other', body())).rejects.toThrow('the client went away');
      expect((await bytesOf(store, 'broken/file')).toString()).toBe('the version before');
      expect((await store.list('broken')).map((child) => child.path)).toEqual(['broken/file']);
    });

    test('takes the last of concurrent writers as a whole', async () => {
      const bodies = Array.from({ length: 8 }, (_, index) => Buffer.alloc(200_000, index));
      const stored = await Promise.all(bodies.map((body) => store.put('raced/file', Readable.from([body]))));
      const digests = stored.map((one) => one.sha256);
      expect(digests).toContain(sha256(await bytesOf(store, 'raced/file')));
    });

    test('digests a directory as sha256sum prints it', async () => {
      await store.put('digest/model/b/weights', Buffer.from('2'));
      await store.put('digest/model/a', Buffer.from('1'));
      const text = `${sha256(Buffer.from('1'))}  a\n${sha256(Buffer.from('2'))}  b/weights\n`;
      expect(await artifactDigest(store, 'digest/model')).toEqual({ sha256: sha256(Buffer.from(text)), size: 2, files: 2 });
      expect(await artifactDigest(store, 'digest/model/a')).toEqual({ sha256: sha256(Buffer.from('1')), size: 1, files: 1 });
      expect(await artifactDigest(store, 'digest/none')).toBeUndefined();
    });

    test('makes a file of parts that came in any order, and of the last of a part that came twice', async () => {
      const [first, second] = [Buffer.alloc(6 << 20, 1), Buffer.from('the end')];
      const id = await store.multipart.create('parts/file');
      const send = (number: number, bytes: Buffer) => sendPart(store, 'parts/file', id, number, bytes);
      const [, two, one] = [await send(1, Buffer.alloc(5 << 20, 9)), await send(2, second), await send(1, first)];
      expect(await store.stat('parts/file')).toBeUndefined();
      const parts = [
        { partNumber: 2, etag: two },
        { partNumber: 1, etag: one },
      ];
      await store.multipart.complete('parts/file', id, parts);
      expect(sha256(await bytesOf(store, 'parts/file'))).toBe(sha256(Buffer.concat([first, second])));
      expect((await store.list('parts')).map((child) => child.path)).toEqual(['parts/file']);
      // A client whose answer was lost asks again: stores may say yes or that the upload is gone, and the file stays.
      await store.multipart
        .complete('parts/file', id, parts)
        .catch((error: unknown) => expect(error).toMatchObject({ code: 'MR_ARTIFACT_UPLOAD' }));
      expect(sha256(await bytesOf(store, 'parts/file'))).toBe(sha256(Buffer.concat([first, second])));
    });

    test('leaves nothing of an upload that was given up, and takes no part after it', async () => {
      const id = await store.multipart.create('parts/abandoned');
      await sendPart(store, 'parts/abandoned', id, 1, Buffer.from('x'));
      await store.multipart.abort('parts/abandoned', id);
      await store.multipart.abort('parts/abandoned', id);
      expect(await store.stat('parts/abandoned')).toBeUndefined();
      const late = store.multipart.putPart('parts/abandoned', id, 2, Readable.from([Buffer.from('y')]));
      await expect(late).rejects.toThrow();
    });

    test('refuses to complete an upload with a part that was not sent', async () => {
      const id = await store.multipart.create('parts/partial');
      const etag = await sendPart(store, 'parts/partial', id, 1, Buffer.from('x'));
      const parts = [
        { partNumber: 1, etag },
        { partNumber: 2, etag: etag.replace(/[0-9a-f]/g, '0') },
      ];
      await expect(store.multipart.complete('parts/partial', id, parts)).rejects.toMatchObject({ code: 'MR_ARTIFACT_UPLOAD' });
      expect(await store.stat('parts/partial')).toBeUndefined();
    });

    test('refuses to begin an upload to a path that may not be', async () => {
      await expect(store.multipart.create('../escape')).rejects.toMatchObject({ code: 'MR_ARTIFACT_PATH' });
    });

    test('gives URLs that read and write a file without it, if it gives any', async () => {
      if (!store.signedUrl) return;
      await store.put('signed/in', Buffer.from('read me'));
      expect(await (await fetch(await store.signedUrl('GET', 'signed/in', 60))).text()).toBe('read me');
      const written = await fetch(await store.signedUrl('PUT', 'signed/out', 60), { method: 'PUT', body: 'written' });
      expect(written.status).toBe(200);
      expect((await bytesOf(store, 'signed/out')).toString()).toBe('written');
    });

    test('answers a ping and names a path by a URI', async () => {
      await store.ping();
      expect(store.uri('some dir/file')).toMatch(/^(file|s3):\/\/.*some%20dir\/file$/);
    });
  });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function bytesOf(store: ArtifactStore, path: string, range?: ByteRange): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await store.get(path, range)) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Sends a part the way a client does: by the store's own URL where it gives one. */
async function sendPart(store: ArtifactStore, path: string, id: string, number: number, bytes: Buffer): Promise<string> {
  const url = await store.multipart.partUrl?.(path, id, number);
  if (url === undefined) return store.multipart.putPart(path, id, number, Readable.from([bytes]));
  const answer = await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.headers.get('etag') ?? '';
}
