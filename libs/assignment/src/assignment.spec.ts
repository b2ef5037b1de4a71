import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { assign, assigner, BUCKETS, bucketOf, murmur3, rangesOf, type AssignmentRule } from './index.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Vectors {
  readonly buckets: readonly { salt: string; unit: string; bucket: number }[];
  readonly assignments: readonly { rule: AssignmentRule; expected: Readonly<Record<string, string | null>> }[];
}
const vectors = JSON.parse(readFileSync(new URL('../vectors.json', import.meta.url), 'utf8')) as Vectors;

/** Chi-square statistic of counts against expected counts. */
function chiSquare(observed: readonly number[], expected: readonly number[]): number {
  return observed.reduce((sum, count, i) => sum + (count - expected[i]!) ** 2 / expected[i]!, 0);
}

describe('murmur3', () => {
  // The values of the reference implementation, as published with its ports.
  test.each<[string, number, number]>([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['aa', 0x9747b28c, 0x5d211726],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['test', 0, 0xba6bd213],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ])('of %j with seed %d', (text, seed, hash) => {
    expect(murmur3(utf8(text), seed)).toBe(hash);
  });

  test('bytes above 127 are unsigned', () => {
    expect(murmur3(Uint8Array.of(0xff, 0xff, 0xff, 0xff))).toBe(0x76293b50);
    expect(murmur3(Uint8Array.of(0x21, 0x43, 0x65, 0x87))).toBe(0xf55b516b);
  });
});

describe('published vectors', () => {
  test.each(vectors.buckets.map((vector) => [vector.salt, vector.unit, vector.bucket] as const))(
    'bucket of %j : %j',
    (salt, unit, bucket) => {
      expect(bucketOf(salt, unit)).toBe(bucket);
    },
  );

  test.each(vectors.assignments)('$rule.salt', ({ rule, expected }) => {
    for (const [unit, variant] of Object.entries(expected)) expect([unit, assign(rule, unit)]).toEqual([unit, variant]);
  });
});

const rule = fc.record({
  salt: fc.string(),
  variants: fc
    .array(fc.record({ name: fc.string(), weight: fc.double({ min: 0, max: 1000, noNaN: true }) }), { minLength: 1, maxLength: 6 })
    .filter((variants) => variants.some((variant) => variant.weight > 1e-9)),
});

describe('ranges', () => {
  test('follow one another without gap or overlap and fill the space', () => {
    fc.assert(
      fc.property(rule, (value) => {
        const ranges = rangesOf(value);
        let from = 0;
        for (const range of ranges) {
          expect(range.from).toBe(from);
          expect(range.to).toBeGreaterThanOrEqual(range.from);
          from = range.to;
        }
        expect(from).toBe(BUCKETS);
      }),
    );
  });

  test('a weight of 0 gets nobody, traffic 0 takes nobody', () => {
    const variants = [
      { name: 'a', weight: 0 },
      { name: 'b', weight: 1 },
      { name: 'c', weight: 0 },
    ];
    fc.assert(fc.property(fc.string(), (unit) => assign({ salt: 's', variants }, unit) === 'b'));
    fc.assert(fc.property(fc.string(), (unit) => assign({ salt: 's', variants, traffic: 0 }, unit) === null));
  });

  test.each([[[]], [[{ name: 'a', weight: 0 }]], [[{ name: 'a', weight: -1 }]], [[{ name: 'a', weight: NaN }]]])(
    '%j is refused',
    (variants) => {
      expect(() => rangesOf({ variants })).toThrow(RangeError);
    },
  );

  test('traffic outside 0 to 1 is refused', () => {
    expect(() => rangesOf({ variants: [{ name: 'a', weight: 1 }], traffic: 1.1 })).toThrow(/traffic is 1.1/);
  });
});

describe('stickiness', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });

  test('more traffic moves nobody who is in', () => {
    fc.assert(
      fc.property(rule, share, share, fc.string(), (value, one, other, unit) => {
        const before = assign({ ...value, traffic: Math.min(one, other) }, unit);
        const after = assign({ ...value, traffic: Math.max(one, other) }, unit);
        if (before !== null) expect(after).toBe(before);
      }),
    );
  });

  test('of two variants, the one that grows only gains', () => {
    fc.assert(
      fc.property(share, share, fc.string(), (one, other, unit) => {
        const at = (weight: number): string | null =>
          assign(
            {
              salt: 's',
              variants: [
                { name: 'control', weight: 1 - weight },
                { name: 'candidate', weight },
              ],
            },
            unit,
          );
        if (at(Math.min(one, other)) === 'candidate') expect(at(Math.max(one, other))).toBe('candidate');
      }),
    );
  });
});

describe('distribution', () => {
  const units = Array.from({ length: 50_000 }, (_, index) => `user-${index}`);

  test('units spread as the weights say (chi-square, 1 in 10,000)', () => {
    for (const salt of ['checkout', 'delay', 'x', 'ranking-2026']) {
      const variantOf = assigner({
        salt,
        variants: [
          { name: 'a', weight: 50 },
          { name: 'b', weight: 30 },
          { name: 'c', weight: 20 },
        ],
      });
      const counts = new Map<string | null, number>();
      for (const unit of units) counts.set(variantOf(unit), (counts.get(variantOf(unit)) ?? 0) + 1);
      // 99.99 % quantile of chi-square with 2 degrees of freedom.
      expect(chiSquare([counts.get('a')!, counts.get('b')!, counts.get('c')!], [25_000, 15_000, 10_000])).toBeLessThan(18.42);
    }
  });

  test('buckets fill evenly (64 cells)', () => {
    const cells = new Array<number>(64).fill(0);
    for (const unit of units) cells[Math.floor(bucketOf('even', unit) / (BUCKETS / 64))]!++;
    // 99.99 % quantile of chi-square with 63 degrees of freedom.
    expect(chiSquare(cells, new Array<number>(64).fill(units.length / 64))).toBeLessThan(112.4);
  });

  test('different salts assign independently (4 x 4 contingency)', () => {
    const salts = ['one', 'two', 'checkout', 'checkout-2'];
    const variants = ['a', 'b', 'c', 'd'].map((name) => ({ name, weight: 1 }));
    for (let i = 0; i < salts.length; i++) {
      for (let j = i + 1; j < salts.length; j++) {
        const first = assigner({ salt: salts[i]!, variants });
        const second = assigner({ salt: salts[j]!, variants });
        const cells = new Map<string, number>();
        for (const unit of units) {
          const cell = `${first(unit)}${second(unit)}`;
          cells.set(cell, (cells.get(cell) ?? 0) + 1);
        }
        const observed = variants.flatMap((a) => variants.map((b) => cells.get(a.name + b.name)!));
        // Against the uniform table, 15 degrees of freedom, 99.99 % quantile.
        expect(chiSquare(observed, new Array<number>(16).fill(units.length / 16))).toBeLessThan(44.3);
      }
    }
  });
});
