import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatPosition, hasPassed, parsePosition } from './position.js';

const position = fc.record({
  topic: fc.stringMatching(/^[A-Za-z0-9._-]{1,60}$/),
  partition: fc.nat(10_000),
  offset: fc.oneof(fc.constant(-1), fc.maxSafeNat()),
});

describe('a position', () => {
  test('survives its text', () => {
    fc.assert(fc.property(position, (given) => expect(parsePosition(formatPosition(given))).toEqual(given)));
  });

  test('is not read from any other text', () => {
    const others = ['', 'topic', 'topic/1', 'topic@1', 'topic/a@1', 'topic/1@-2', 'topic/-1@1', 'to pic/1@1', 'topic/1@1 ', 'topic/1@1.5'];
    for (const text of [...others, `topic/1@${'9'.repeat(17)}`, `topic/${'9'.repeat(17)}@1`]) expect(parsePosition(text)).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parsePosition(text);
        expect(parsed === undefined || formatPosition(parsed).length <= text.length).toBe(true);
      }),
    );
  });

  test('has been passed when the next offset lies beyond it; the place before the first record always has', () => {
    const at = (partition: number, offset: number) => ({ topic: 't', partition, offset });
    expect(hasPassed([3, 0], at(0, 2))).toBe(true);
    expect(hasPassed([3, 0], at(0, 3))).toBe(false);
    expect(hasPassed([3, 0], at(1, 0))).toBe(false);
    expect(hasPassed([3, 0], at(1, -1))).toBe(true);
    expect(hasPassed([3, 0], at(7, 0))).toBe(false);
  });
});
