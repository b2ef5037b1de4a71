import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { artifactStoreContract } from '@millrace/artifact-store/contract';
import { FilesystemArtifactStore } from './filesystem-artifact-store.js';

artifactStoreContract('FilesystemArtifactStore', async () => {
  const root = await mkdtemp(join(tmpdir(), 'millrace-artifacts-'));
  return { store: await FilesystemArtifactStore.open(root), stop: () => rm(root, { recursive: true }) };
});

describe('FilesystemArtifactStore', () => {
  let directory: string;
  let root: string;
  let store: FilesystemArtifactStore;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-artifacts-'));
    root = join(directory, 'root');
    store = await FilesystemArtifactStore.open(root);
  });

  afterEach(() => rm(directory, { recursive: true }));

  test('does not follow a symbolic link out of its root, whatever is asked', async () => {
    await mkdir(join(directory, 'outside'));
    await writeFile(join(directory, 'outside', 'secret'), 'secret');
    await symlink(join(directory, 'outside'), join(root, 'link'));
    await symlink(join(directory, 'outside', 'secret'), join(root, 'file-link'));
    const refusal = { code: 'MR_ARTIFACT_PATH' };
    for (const path of ['link/secret', 'file-link', 'link/new']) {
      await expect(store.get(path)).rejects.toMatchObject(refusal);
      await expect(store.stat(path)).rejects.toMatchObject(refusal);
      await expect(store.put(path, Buffer.from('x'))).rejects.toMatchObject(refusal);
      await expect(store.remove(path)).rejects.toMatchObject(refusal);
    }
    await expect(store.list('link')).rejects.toMatchObject(refusal);
    expect(await store.list('')).toEqual([]);
    expect(await readdir(join(directory, 'outside'))).toEqual(['secret']);
  });

  test('keeps its own directory for itself', async () => {
    await expect(store.put('.incoming/x', Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_ARTIFACT_PATH' });
    await store.put('a/.incoming/x', Buffer.from('x'));
    expect((await store.list('a')).map((child) => child.path)).toEqual(['a/.incoming']);
  });

  test('refuses a file where a directory is, and a directory where a file is', async () => {
    await store.put('a/b', Buffer.from('x'));
    await expect(store.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_ARTIFACT_PATH' });
    await expect(store.put('a/b/c', Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_ARTIFACT_PATH' });
    expect(await readdir(join(root, '.incoming'))).toEqual([]);
  });

  test('says that the disk is full, where it is, and that it passes; nothing is left of the file', async () => {
    // As a device with no room answers.
    const noRoom = await writeFile('/dev/full', 'x').catch((error: unknown) => error);
    async function* body(): AsyncGenerator<Buffer> {
      yield Buffer.from('x');
      throw noRoom;
    }
    const full = { code: 'MR_ARTIFACT_DISK_FULL', retryable: true, message: `the disk of ${root} is full; make room, and try again` };
    await expect(store.put('a/b', Readable.from(body()))).rejects.toMatchObject({ ...full, cause: noRoom });
    expect(await store.stat('a/b')).toBeUndefined();
    const upload = await store.multipart.create('a/b');
    await expect(store.multipart.putPart('a/b', upload, 1, Readable.from(body()))).rejects.toMatchObject({
      code: full.code,
      retryable: true,
    });
    await store.multipart.abort('a/b', upload);
    expect(await readdir(join(root, '.incoming'))).toEqual([]);
  });

  test('sweeps what a killed upload left a day ago, and no younger one', async () => {
    const incoming = join(root, '.incoming');
    await writeFile(join(incoming, 'old'), 'x');
    await utimes(join(incoming, 'old'), 1, 1);
    await writeFile(join(incoming, 'young'), 'x');
    await FilesystemArtifactStore.open(root);
    expect(await readdir(incoming)).toEqual(['young']);
  });
});
