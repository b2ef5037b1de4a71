import { expect, test } from '@jest/globals';
import { storedJson } from './stored-json.js';

test('whole numbers that no 64 bits hold have a point, and everything is what JSON reads', () => {
  const value = {
    a: 2 ** 64,
    b: [-1e20, 2 ** 63, -(2 ** 63), 1e21, 1.5],
    c: { d: '12345678901234567890,', e: null, f: true, g: undefined },
    h: NaN,
  };
  expect(storedJson(value)).toBe(
    '{"a":18446744073709552000.0,"b":[-100000000000000000000.0,9223372036854776000,-9223372036854776000.0,1e+21,1.5],"c":{"d":"12345678901234567890,","e":null,"f":true},"h":null}',
  );
  expect(JSON.parse(storedJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
  expect(storedJson({ a: 1, b: undefined, c: ['x'] })).toBe('{"a":1,"c":["x"]}');
});
