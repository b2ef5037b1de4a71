import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MAX_ONLINE_KEY_BYTES, type OnlineStore } from './online-store.js';

/** Opens a store that is empty below `prefix`; stores of one factory share their data when opened with the same prefix. */
export interface OnlineStoreFactory {
  open(): Promise<OnlineStore>;
  /** Told when a test has ended. */
  done?(): Promise<void>;
}

const key = (...parts: (string | number)[]): Buffer =>
  Buffer.concat([Buffer.from('contract:'), ...parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part])))]);
const bytes = (text: string): Buffer => Buffer.from(text);
const PREFIX = key();

async function collect(store: OnlineStore, prefix: Buffer): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const [k, v] of store.scan(prefix)) found.push([k.toString('hex'), v.toString('hex')]);
  return found;
}

/** What every {@link OnlineStore} promises. */
export function onlineStoreContract(name: string, factory: OnlineStoreFactory): void {
  describe(`${name} as an OnlineStore`, () => {
    let store: OnlineStore;
    beforeEach(async () => {
      store = await factory.open();
      await store.clear(PREFIX);
    });
    afterEach(async () => {
      await store.clear(PREFIX);
      await store.close();
      await factory.done?.();
    });

    test('reads values in the order of the keys, null where there is none, a key twice when asked twice', async () => {
      await store.writeMany([
        { key: key('a'), value: bytes('1') },
        { key: key('b'), value: bytes('2') },
      ]);
      const found = await store.getMany([key('b'), key('missing'), key('a'), key('b')]);
      expect(found.map((value) => value && value.toString())).toEqual(['2', null, '1', '2']);
      expect(await store.getMany([])).toEqual([]);
    });

    test('keys and values are bytes: zero bytes, 0xff, invalid UTF-8 and the empty value come back as they went in', async () => {
      const every = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
      const writes = [
        { key: key(0), value: every },
        { key: key(0, 0), value: Buffer.alloc(0) },
        { key: key(255, 254), value: Buffer.from([0]) },
        { key: Buffer.concat([PREFIX, every]), value: Buffer.from([255, 0]) },
      ];
      expect(await store.writeMany(writes)).toBe(true);
      const found = await store.getMany(writes.map((write) => write.key));
      expect(found.map((value) => value?.toString('hex'))).toEqual(writes.map((write) => write.value.toString('hex')));
    });

    test('takes keys up to the longest promised and values of megabytes', async () => {
      const longest = Buffer.concat([PREFIX, Buffer.alloc(MAX_ONLINE_KEY_BYTES - PREFIX.length, 7)]);
      const large = Buffer.alloc(5_000_000, 42);
      await store.writeMany([{ key: longest, value: large }]);
      const [found] = await store.getMany([longest]);
      expect(found?.equals(large)).toBe(true);
    });

    test('a value read stays as it was read when the key is written again', async () => {
      await store.writeMany([{ key: key('a'), value: bytes('before') }]);
      const [before] = await store.getMany([key('a')]);
      await store.writeMany([{ key: key('a'), value: bytes('after!') }]);
      await store.getMany([key('a')]);
      expect(before?.toString()).toBe('before');
    });

    test('null removes; removing what is not there is no error; the last write of a key in a batch stands', async () => {
      await store.writeMany([{ key: key('a'), value: bytes('1') }]);
      await store.writeMany([
        { key: key('a'), value: null },
        { key: key('never'), value: null },
        { key: key('b'), value: bytes('first') },
        { key: key('b'), value: bytes('second') },
        { key: key('c'), value: bytes('gone') },
        { key: key('c'), value: null },
      ]);
      const found = await store.getMany([key('a'), key('never'), key('b'), key('c')]);
      expect(found.map((value) => value && value.toString())).toEqual([null, null, 'second', null]);
    });

    test('writes only while every guard holds, whole or not at all', async () => {
      const checkpoint = key('checkpoint');
      expect(await store.writeMany([{ key: checkpoint, value: bytes('1') }], [{ key: checkpoint, value: null }])).toBe(true);
      expect(await store.writeMany([{ key: key('a'), value: bytes('x') }], [{ key: checkpoint, value: null }])).toBe(false);
      expect(await store.writeMany([{ key: key('a'), value: bytes('x') }], [{ key: checkpoint, value: bytes('10') }])).toBe(false);
      expect(
        await store.writeMany(
          [{ key: key('a'), value: bytes('x') }],
          [
            { key: checkpoint, value: bytes('1') },
            { key: key('other'), value: bytes('not there') },
          ],
        ),
      ).toBe(false);
      expect(await store.getMany([key('a')])).toEqual([null]);
      const next = [
        { key: checkpoint, value: bytes('2') },
        { key: key('a'), value: bytes('y') },
      ];
      expect(await store.writeMany(next, [{ key: checkpoint, value: bytes('1') }])).toBe(true);
      const found = await store.getMany([checkpoint, key('a')]);
      expect(found.map((value) => value?.toString())).toEqual(['2', 'y']);
    });

    test('of many writers that guard with the same value exactly one wins each round', async () => {
      const checkpoint = key('checkpoint');
      for (let round = 0; round < 20; round++) {
        const expected = round === 0 ? null : bytes(String(round));
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, (_, writer) =>
            store.writeMany(
              [
                { key: checkpoint, value: bytes(String(round + 1)) },
                { key: key('winner', String(round)), value: bytes(String(writer)) },
              ],
              [{ key: checkpoint, value: expected }],
            ),
          ),
        );
        expect(outcomes.filter(Boolean)).toHaveLength(1);
        const [winner] = await store.getMany([key('winner', String(round))]);
        expect(winner?.toString()).toBe(String(outcomes.indexOf(true)));
      }
    });

    test('a reader never sees part of a batch', async () => {
      const keys = Array.from({ length: 50 }, (_, index) => key('part', index));
      let writing = true;
      const writer = (async () => {
        for (let round = 0; round < 60; round++) await store.writeMany(keys.map((k) => ({ key: k, value: bytes(`round ${round}`) })));
        writing = false;
      })();
      while (writing) {
        const seen = new Set((await store.getMany(keys)).map((value) => value?.toString()));
        expect(seen.size).toBe(1);
        // A local store answers without leaving the tick; the writer needs a turn of the event loop.
        await new Promise((resolve) => setImmediate(resolve));
      }
      await writer;
    });

    test('scans a prefix in byte order of the keys and clears exactly it', async () => {
      const inside = [key('p', 0), key('p'), key('p', 255), key('p', 1, 2), key('p', 255, 255)];
      const outside = [key('o', 255), key('q')];
      await store.writeMany([...inside, ...outside].map((k, index) => ({ key: k, value: Buffer.from([index]) })));
      const found = await collect(store, key('p'));
      expect(found.map(([k]) => k)).toEqual(inside.map((k) => k.toString('hex')).sort());
      expect(await store.clear(key('p'))).toBe(inside.length);
      expect(await store.clear(key('p'))).toBe(0);
      expect(await collect(store, key('p'))).toEqual([]);
      expect(await collect(store, PREFIX)).toHaveLength(outside.length);
    });

    test('takes batches and scans of many thousand keys', async () => {
      const writes = Array.from({ length: 20_000 }, (_, index) => {
        const number = Buffer.alloc(4);
        number.writeUInt32BE(index);
        return { key: Buffer.concat([key('many'), number]), value: Buffer.alloc(100, index & 255) };
      });
      await store.writeMany(writes);
      const found = await store.getMany(writes.map((write) => write.key));
      expect(found.every((value, index) => value?.equals(writes[index]!.value) === true)).toBe(true);
      let last = -1;
      for await (const [k] of store.scan(key('many'))) {
        const number = k.readUInt32BE(k.length - 4);
        if (number !== last + 1) throw new Error(`out of order: ${number} after ${last}`);
        last = number;
      }
      expect(last).toBe(writes.length - 1);
      expect(await store.clear(key('many'))).toBe(writes.length);
    });

    test('answers a ping', async () => {
      await expect(store.ping()).resolves.toBeUndefined();
    });
  });
}
