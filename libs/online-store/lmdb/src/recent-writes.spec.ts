import { expect, test } from '@jest/globals';
import { RecentWrites } from './recent-writes.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const read = (writes: RecentWrites, key: string): string | null | undefined => {
  const value = writes.find(bytes(key));
  return value && value.toString();
};

/** What would be handed to LMDB: of each value the part it says when it is handed over. */
function handedOver(taken: ReturnType<RecentWrites['take']>): Record<string, string | null> {
  const found: Record<string, string | null> = {};
  taken.each(
    (key, value) => {
      const { start, end } = value as Buffer & { start: number; end: number };
      found[key.toString()] = value.toString('utf8', start, end);
    },
    (key) => (found[key.toString()] = null),
  );
  return found;
}

test('the last write of a key stands, and what whoever wrote it does to theirs later is not seen', () => {
  const writes = new RecentWrites();
  const mine = bytes('one');
  writes.add({ key: bytes('a'), value: mine });
  mine.fill(0);
  writes.add({ key: bytes('b'), value: bytes('old') });
  writes.add({ key: bytes('b'), value: bytes('newer') });
  writes.add({ key: bytes('c'), value: bytes('gone') });
  writes.add({ key: bytes('c'), value: null });
  writes.add({ key: bytes('d'), value: Buffer.alloc(0) });
  expect(['a', 'b', 'c', 'd', 'e'].map((key) => read(writes, key))).toEqual(['one', 'newer', null, '', undefined]);
  expect(handedOver(writes.take())).toEqual({ a: 'one', b: 'newer', c: null, d: '' });
});

test('what is on its way is read until it is written, behind what came since, and keeps its bytes', () => {
  const writes = new RecentWrites();
  writes.add({ key: bytes('a'), value: bytes('first') });
  writes.add({ key: bytes('b'), value: bytes('kept') });
  const leaving = writes.take();
  writes.add({ key: bytes('a'), value: bytes('second') });
  writes.add({ key: bytes('b'), value: null });
  expect([read(writes, 'a'), read(writes, 'b')]).toEqual(['second', null]);
  expect(handedOver(leaving)).toEqual({ a: 'first', b: 'kept' });
  writes.written();
  expect(writes.isEmpty).toBe(false);
  expect(handedOver(writes.take())).toEqual({ a: 'second', b: null });
  writes.written();
  expect([writes.isEmpty, writes.bytes, read(writes, 'a')]).toEqual([true, 0, undefined]);
});

test('what could not be written waits again, behind what came since', () => {
  const writes = new RecentWrites();
  for (const key of ['a', 'b', 'c']) writes.add({ key: bytes(key), value: bytes(`${key}1`) });
  writes.take();
  writes.add({ key: bytes('b'), value: bytes('b2') });
  writes.add({ key: bytes('c'), value: null });
  const before = writes.bytes;
  writes.failed();
  expect(writes.bytes).toBeGreaterThan(before);
  expect(handedOver(writes.take())).toEqual({ a: 'a1', b: 'b2', c: null });
  writes.written();
  expect(writes.isEmpty).toBe(true);
});

test('values beyond the memory there is are kept whole, also those that were there', () => {
  const writes = new RecentWrites();
  for (let round = 0; round < 3; round++) {
    const large = 'x'.repeat(9_000_000 + round);
    writes.add({ key: bytes('small'), value: bytes(`before ${round}`) });
    writes.add({ key: bytes('large'), value: bytes(large) });
    writes.add({ key: bytes('after'), value: bytes(`after ${round}`) });
    expect(read(writes, 'small')).toBe(`before ${round}`);
    expect(handedOver(writes.take())).toEqual({ small: `before ${round}`, large, after: `after ${round}` });
    writes.written();
  }
});
