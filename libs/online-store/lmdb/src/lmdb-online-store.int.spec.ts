import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { onlineStoreContract } from '@millrace/online-store/contract';
import { LmdbOnlineStore } from './lmdb-online-store.js';

const SOURCES = fileURLToPath(new URL('../../../../tools/run-sources.mjs', import.meta.url));
/** So long that nothing goes into the file by itself. */
const NEVER = 3_600_000;

let directory = '';
onlineStoreContract('LmdbOnlineStore', {
  open: async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-online-'));
    return LmdbOnlineStore.open({ path: directory, gatherMs: 5 });
  },
  done: () => rm(directory, { recursive: true, force: true }),
});
onlineStoreContract('LmdbOnlineStore whose writes are all still in memory', {
  open: async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-online-'));
    return LmdbOnlineStore.open({ path: directory, gatherMs: NEVER });
  },
  done: () => rm(directory, { recursive: true, force: true }),
});

const bytes = (text: string): Buffer => Buffer.from(text);
let path = '';
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-online-'));
});
afterEach(async () => {
  await rm(path, { recursive: true, force: true });
});

test('a store opened again holds what it held', async () => {
  const first = await LmdbOnlineStore.open({ path, gatherMs: NEVER });
  await first.writeMany([{ key: bytes('a'), value: bytes('1') }]);
  await first.close();
  const second = await LmdbOnlineStore.open({ path });
  expect((await second.getMany([bytes('a')]))[0]?.toString()).toBe('1');
  await second.close();
});

test.each([
  { left: 'open', by: 'a process that ended', next: 'the same', isAnew: false, held: '1' },
  { left: 'open', by: 'a machine that ended', next: 'another', isAnew: true, held: undefined },
  { left: 'open', by: 'a machine that ended, found where starts cannot be told apart,', next: null, isAnew: true, held: undefined },
  { left: 'closed', by: 'a machine that ended later', next: 'another', isAnew: false, held: '1' },
])('what $by left $left is trusted as far as it reached the disk', async ({ left, next, isAnew, held }) => {
  const first = await LmdbOnlineStore.open({ path, gatherMs: 1, boot: 'the same' });
  await first.writeMany([{ key: bytes('a'), value: bytes('1') }]);
  if (left === 'closed') await first.close();
  // A scan sees what is in the file, so it brings all there is into it first.
  else for await (const [key] of first.scan(bytes('a'))) expect(key.toString()).toBe('a');
  const second = await LmdbOnlineStore.open({ path, boot: next });
  expect(second.isAnew).toBe(isAnew);
  expect((await second.getMany([bytes('a')]))[0]?.toString()).toBe(held);
  await second.writeMany([{ key: bytes('b'), value: bytes('2') }]);
  await second.close();
  // All of it is on the disk now, whichever start of the machine comes next.
  const third = await LmdbOnlineStore.open({ path, boot: 'a third' });
  expect(third.isAnew).toBe(false);
  expect((await third.getMany([bytes('b')]))[0]?.toString()).toBe('2');
  await third.close();
  if (left === 'open') await first.close();
});

test('what was written goes into the file by itself', async () => {
  const writer = await LmdbOnlineStore.open({ path, gatherMs: 20 });
  for (let round = 0; round < 500; round++) await writer.writeMany([{ key: bytes('a'), value: bytes(String(round)) }]);
  const reader = await LmdbOnlineStore.open({ path });
  for (let seen = ''; seen !== '499';) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    seen = (await reader.getMany([bytes('a')]))[0]?.toString() ?? '';
    // What another reader of the file sees may be old and is never torn.
    expect(seen === '' || (Number(seen) >= 0 && Number(seen) < 500)).toBe(true);
  }
  await reader.close();
  await writer.close();
});

test('a value that was read may be worked in', async () => {
  const store = await LmdbOnlineStore.open({ path, gatherMs: NEVER });
  await store.writeMany([{ key: bytes('a'), value: bytes('as written') }]);
  (await store.getMany([bytes('a')]))[0]?.fill(0);
  expect((await store.getMany([bytes('a')]))[0]?.toString()).toBe('as written');
  await store.close();
});

test('a batch that meets its guard after the store was emptied is not written', async () => {
  const store = await LmdbOnlineStore.open({ path, gatherMs: 5 });
  const checkpoint = bytes('f checkpoint');
  for (let round = 0; round < 20; round++) {
    const many = Array.from({ length: 6_000 }, (_, index) => ({ key: bytes(`f ${index}`), value: bytes(String(round)) }));
    await store.writeMany([...many, { key: checkpoint, value: bytes('1') }]);
    const cleared = store.clear(bytes('f'));
    const guarded = store.writeMany([{ key: bytes('f 1'), value: bytes('late') }], [{ key: checkpoint, value: bytes('1') }]);
    expect(await guarded).toBe(false);
    expect(await cleared).toBe(6_001);
    expect(await store.getMany([bytes('f 1'), checkpoint])).toEqual([null, null]);
  }
  await store.close();
});

test('a key that cannot be stored is refused, and keeps nothing else out', async () => {
  const store = await LmdbOnlineStore.open({ path, gatherMs: 5 });
  for (const key of [Buffer.alloc(0), Buffer.alloc(1_025)]) {
    const write = store.writeMany([
      { key: bytes('beside'), value: bytes('1') },
      { key, value: bytes('1') },
    ]);
    await expect(write).rejects.toThrow(`a key has ${key.length} bytes; it needs between 1 and 1024`);
  }
  await store.writeMany([{ key: bytes('a'), value: bytes('1') }]);
  expect((await store.getMany([bytes('beside'), bytes('a')])).map((value) => value?.toString())).toEqual([undefined, '1']);
  await store.close();
});

test('on a full disk it still reads all it took, refuses more and says that it is not well', async () => {
  // A limit on the file's size stands for the end of the disk: the kernel refuses the write all the same.
  const script = fileURLToPath(new URL('write-until-full.ts', import.meta.url));
  const command = [process.execPath, '--conditions=source', '--import', SOURCES, script, path];
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -f 6000; exec "$@"', 'sh', ...command]);
  const report = JSON.parse(stdout) as { written: number; read: number; code: string; health: string };
  expect(report.written).toBeGreaterThan(10);
  expect(report).toMatchObject({ read: report.written, code: 'MR_ONLINE_STORE', health: 'ill' });
}, 60_000);
