import { expect, test } from '@jest/globals';
import { KeptBytes } from './kept-bytes.js';

test('keeps what was given as it was, in memory of its own that is shared by many', () => {
  const kept = new KeptBytes();
  const texts = Array.from({ length: 5000 }, (_, index) => `${index}:`.repeat(index % 9));
  texts.push('long'.repeat(10_000), 'after');
  const given = texts.map((text) => Buffer.from(text));
  const copies = given.map((bytes) => kept.keep(bytes));
  for (const bytes of given) bytes.fill(0);
  expect(copies.map((copy) => copy.toString())).toEqual(texts);
  expect(new Set(copies.map(({ buffer }) => buffer)).size).toBeLessThan(20);
});
