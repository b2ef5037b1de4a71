import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { canonical, MemoryStateStore, type CommandReply, type StateCommit } from '@millrace/kernel';
import fc from 'fast-check';
import { existsSync } from 'node:fs';
import { mkdtemp, open, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LmdbStateStore, type LmdbStateStoreOptions } from './lmdb-state-store.js';
import { stateStoreContract } from './state-store.contract.js';

let directory: string;
let path: string;
const stores: LmdbStateStore[] = [];

async function openStore(options: Partial<LmdbStateStoreOptions> = {}): Promise<LmdbStateStore> {
  const store = await LmdbStateStore.open({ path, version: 'v1', ...options });
  stores.push(store);
  return store;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-state-'));
  path = join(directory, 'tracking', 'state.mdb');
});

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  await rm(directory, { recursive: true });
});

stateStoreContract('MemoryStateStore', () => Promise.resolve(new MemoryStateStore()));
stateStoreContract(
  'LmdbStateStore',
  () => LmdbStateStore.open({ path, version: 'v1' }),
  () => LmdbStateStore.open({ path, version: 'v1' }),
);

const reply = (offset: number): CommandReply => ({ subject: 's/1', sequence: offset + 1, partition: 0, offset, type: 'T', data: null });

function commit(nextOffset: number, parts: Partial<StateCommit> = {}): StateCommit {
  return { partition: 0, nextOffset, subjects: new Map(), replies: new Map(), ...parts };
}

const one = (state: unknown) => new Map([['s/1', { sequence: 1, state }]]);

describe('LmdbStateStore', () => {
  test('a reader of all subjects meets each once, and does not make the file grow by what is committed meanwhile', async () => {
    const store = await openStore();
    const names = Array.from({ length: 2_000 }, (_, index) => `s/${String(index).padStart(5, '0')}`);
    const all = (round: number) => new Map(names.map((name) => [name, { sequence: round, state: 'x'.repeat(1_000) }]));
    for (let round = 1; round <= 4; round++) await store.commit([commit(round, { subjects: all(round) })]);
    const before = (await stat(path)).size;
    const found: string[] = [];
    let round = 4;
    for (const [name, { sequence }] of store.subjects('s/')) {
      if (found.push(name) % 20 === 0) await store.commit([commit(++round, { subjects: all(round) })]);
      expect(sequence).toBeLessThanOrEqual(round);
    }
    expect(found).toEqual(names);
    // A reader that held its moment to the end would have kept the pages of a hundred commits: thirty times as much.
    expect((await stat(path)).size).toBeLessThan(before * 2);
  });

  test('gives every state back as it was', async () => {
    const store = await openStore();
    const leaf = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.double(),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constantFrom(null, undefined),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    );
    const { state } = fc.letrec((tie) => ({
      state: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('state'), { maxLength: 4 }),
        fc.dictionary(
          fc.string().filter((name) => name !== '__proto__'),
          tie('state'),
          { noNullPrototype: true, maxKeys: 5 },
        ),
        fc.array(fc.tuple(leaf, tie('state')), { maxLength: 4 }).map((entries) => new Map(entries)),
        fc.array(leaf, { maxLength: 4 }).map((items) => new Set(items)),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(state, async (given) => {
        const before = canonical(given);
        await store.commit([commit(1, { subjects: one(given) })]);
        expect(canonical(store.subject('s/1')?.state)).toBe(before);
      }),
    );
  });

  test('takes names and command ids of any length', async () => {
    const store = await openStore();
    const long = `run/${'é'.repeat(3_000)}`;
    const names = [`${long}1`, `${long}2`, 'run/short', 'model/1'];
    const replies = new Map(names.map((name, index) => [name, reply(index)]));
    await store.commit([commit(1, { subjects: new Map(names.map((name) => [name, { sequence: 1, state: name.length }])), replies })]);
    for (const [index, name] of names.entries()) {
      expect(store.subject(name)).toEqual({ sequence: 1, state: name.length });
      expect(store.reply(name)).toEqual(reply(index));
    }
    expect([...store.subjects('run/')].map(([name]) => name).sort()).toEqual([`${long}1`, `${long}2`, 'run/short'].sort());
    expect([...store.subjects(`${long}2`)]).toEqual([[`${long}2`, { sequence: 1, state: long.length + 1 }]]);
  });

  test('keeps the last replies and lets the oldest go, over restarts too', async () => {
    let store = await openStore({ maxReplies: 10 });
    for (let offset = 0; offset < 25; offset++) {
      if (offset === 12) {
        await store.close();
        store = await openStore({ maxReplies: 10 });
      }
      await store.commit([commit(offset + 1, { replies: new Map([[`c${offset}`, reply(offset)]]) })]);
    }
    const kept = Array.from({ length: 25 }, (_, offset) => store.reply(`c${offset}`) !== undefined);
    expect(kept).toEqual(Array.from({ length: 25 }, (_, offset) => offset >= 15));
  });

  test('begins empty when other code folded it', async () => {
    const first = await openStore();
    expect(first.origin).toBe('new');
    await first.commit([commit(5, { subjects: one({ a: 1 }), replies: new Map([['c', reply(0)]]) })]);
    await first.close();
    const same = await openStore();
    expect([same.origin, same.positions().get(0)]).toEqual(['kept', 5]);
    await same.close();
    const other = await openStore({ version: 'v2' });
    expect([other.origin, other.positions().size, other.subject('s/1'), other.reply('c')]).toEqual([
      'other-version',
      0,
      undefined,
      undefined,
    ]);
    await other.commit([commit(1)]);
    await other.close();
    expect((await openStore({ version: 'v2' })).origin).toBe('kept');
  });

  test.each([
    ['cut short', async () => truncate(path, Math.floor((await stat(path)).size / 2))],
    ['overwritten at its beginning', async () => overwrite(0, Buffer.alloc(8_192, 0xaa))],
    ['no database at all', async () => writeFile(path, 'not a database')],
  ])('puts a file aside that is %s, and begins empty', async (_, damage) => {
    const first = await openStore();
    const subjects = new Map(Array.from({ length: 500 }, (_unused, index) => [`s/${index}`, { sequence: 1, state: 'x'.repeat(500) }]));
    await first.commit([commit(500, { subjects })]);
    await first.close();
    await damage();
    const second = await openStore();
    expect([second.origin, second.positions().size]).toEqual(['damaged', 0]);
    expect(existsSync(`${path}.corrupt`)).toBe(true);
    await second.commit([commit(1, { subjects: one(1) })]);
    await second.close();
    expect((await openStore()).subject('s/1')).toEqual({ sequence: 1, state: 1 });
  });

  test('says that it is damaged when it finds what it did not write, and begins empty the next time', async () => {
    const first = await openStore();
    const marker = 'unmistakable'.repeat(200);
    await first.commit([commit(1, { subjects: one(marker) })]);
    await first.close();
    // Other bytes where the state is, in a database that is otherwise whole.
    const bytes = await readWhole();
    const at = bytes.indexOf(marker);
    await overwrite(at - 10, Buffer.alloc(30, 0xc1));
    const second = await openStore();
    expect(() => second.subject('s/1')).toThrow(expect.objectContaining({ code: 'MR_STATE_STORE_CORRUPT', retryable: false }));
    await second.close();
    expect((await openStore()).origin).toBe('damaged');
  });

  test('belongs to the last process that opened it', async () => {
    const first = await openStore();
    await first.commit([commit(1, { subjects: one('first') })]);
    const second = await openStore();
    await expect(first.commit([commit(2, { subjects: one('late') })])).rejects.toMatchObject({ code: 'MR_STATE_STORE_LOST' });
    await second.commit([commit(3)]);
    expect(second.subject('s/1')).toEqual({ sequence: 1, state: 'first' });
    expect(second.positions().get(0)).toBe(3);
  });
});

async function overwrite(at: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

async function readWhole(): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}
