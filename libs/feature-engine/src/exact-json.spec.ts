import { expect, test } from '@jest/globals';
import { exactJsonText, parseExactJson } from './exact-json.js';

test('whole numbers that a double does not hold keep their digits, both ways', () => {
  const text = '{"a":[9007199254740993,-9223372036854775808,5,1.5],"b":{"c":18446744073709551615},"d":"9007199254740993"}';
  const value = parseExactJson(text);
  expect(value).toEqual({ a: [9007199254740993n, -9223372036854775808n, 5, 1.5], b: { c: 18446744073709551615n }, d: '9007199254740993' });
  expect(exactJsonText(value)).toBe(text);
});

test('other numbers are what they are', () => {
  expect(parseExactJson('[0.12345678901234567,1e300,9007199254740991]')).toEqual([0.12345678901234567, 1e300, 9007199254740991]);
});

test('what is nested too deep to be walked is no JSON', () => {
  const nested = (levels: number): string => '[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2);
  expect(() => parseExactJson(nested(502))).toThrow('lists and objects are nested deeper than 500 levels');
  expect(() => parseExactJson('['.repeat(100_000))).toThrow(SyntaxError);
  expect(exactJsonText(parseExactJson(nested(500)))).toBe(nested(500));
  const wide = `[${'[],{"b":"[[[\\"{{{"},'.repeat(1_000)}1]`;
  expect(exactJsonText(parseExactJson(wide))).toBe(wide);
});
