import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonical } from './canonical.js';

describe('canonical', () => {
  test('of plain JSON is JSON with sorted keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(canonical({ b: 1, a: { d: [1, 'x', null], c: true } })).toBe('{"a":{"c":true,"d":[1,"x",null]},"b":1}');
  });

  test('does not depend on the order in which things were put in', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.string(), fc.jsonValue()), { selector: ([key]) => key }), (entries) => {
        const [there, back] = [entries, [...entries].reverse()];
        expect(canonical(Object.fromEntries(there))).toBe(canonical(Object.fromEntries(back)));
        expect(canonical(new Map(there))).toBe(canonical(new Map(back)));
        expect(canonical(new Set(there.map(([key]) => key)))).toBe(canonical(new Set(back.map(([key]) => key))));
      }),
    );
  });

  test('tells every two different values apart', () => {
    const different = [
      null,
      undefined,
      0,
      1,
      '1',
      5n,
      '5n',
      NaN,
      'NaN',
      Infinity,
      -Infinity,
      true,
      'true',
      [],
      {},
      new Map(),
      new Set(),
      [undefined],
      [null],
      [[]],
      { a: null },
      { $map: [] },
      new Map([['a', 1]]),
      { a: 1 },
      new Map([[1, 'a']]),
      new Map([['1', 'a']]),
      new Set([1]),
      [1],
      Buffer.from([1]),
      'bytes(01)',
    ];
    expect(new Set(different.map(canonical)).size).toBe(different.length);
  });

  test('takes equal values for equal', () => {
    expect(canonical(-0)).toBe(canonical(0));
    expect(canonical({ a: undefined, b: 1 })).toBe(canonical({ b: 1 }));
    expect(canonical(new Uint8Array([1, 2]))).toBe(canonical(Buffer.from([1, 2])));
  });

  test('refuses what is not data', () => {
    for (const value of [() => 1, Symbol('s'), new Date(0), { at: new Date(0) }, /x/, new Error('e'), Promise.resolve()]) {
      expect(() => canonical(value)).toThrow(TypeError);
    }
  });
});
