import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SystemIds } from './ids.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('ids', () => {
  test('are UUIDv7 that carry the time', () => {
    const id = new SystemIds({ now: () => 0x0123456789ab }).next();
    expect(id).toMatch(UUID_V7);
    expect(id.replace('-', '').slice(0, 12)).toBe('0123456789ab');
  });

  test('grow, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 50 }), (times) => {
        let now = 0;
        const ids = new SystemIds({ now: () => now });
        const made = times.flatMap((time) => {
          now = time;
          return Array.from({ length: 100 }, () => ids.next());
        });
        expect(made).toEqual([...made].sort());
        expect(new Set(made).size).toBe(made.length);
      }),
    );
  });

  test('fill a millisecond and go on ordered', () => {
    const ids = new SystemIds({ now: () => 1_700_000_000_000 });
    const made = Array.from({ length: 20_000 }, () => ids.next());
    expect(made).toEqual([...made].sort());
    expect(new Set(made).size).toBe(made.length);
  });

  test('derived: the same pair, the same id; another pair, another id', () => {
    const ids = new SystemIds({ now: () => 0 });
    expect(ids.derived('c1', 'run')).toMatch(/^[0-9a-f]{32}$/);
    expect(ids.derived('c1', 'run')).toBe(ids.derived('c1', 'run'));
    expect(ids.derived('ab', 'c')).not.toBe(ids.derived('a', 'bc'));
  });
});
