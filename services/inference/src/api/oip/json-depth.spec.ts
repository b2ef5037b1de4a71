import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isDeeperThan } from './json-depth.js';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test('a text is deeper than a limit when its value is, whatever its strings hold', () => {
  const texts = fc.string({ unit: fc.constantFrom('[', '{', ']', '}', '"', '\\', 'a') });
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      texts,
      fc.double({ noNaN: true }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(texts, tie('value'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.integer({ min: 0, max: 8 }), (one, limit) => {
      expect(isDeeperThan(Buffer.from(JSON.stringify(one)), limit)).toBe(depthOf(one) > limit);
    }),
    { numRuns: 1000 },
  );
});

test('what is cut off is judged by what is there', () => {
  expect(isDeeperThan(Buffer.from('['.repeat(65)), 64)).toBe(true);
  expect(isDeeperThan(Buffer.from('['.repeat(64)), 64)).toBe(false);
  expect(isDeeperThan(Buffer.from(`${'[]'.repeat(100)}`), 64)).toBe(false);
});
