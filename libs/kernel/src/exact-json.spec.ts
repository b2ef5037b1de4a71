import { expect, test } from '@jest/globals';
import { exactJsonText, hasLongIntegers, parseExactJson, parseShallowJson } from './exact-json.js';

test('whole numbers that a double does not hold keep their digits, both ways', () => {
  const text = '{"a":[9007199254740993,-9223372036854775808,5,1.5],"b":{"c":18446744073709551615},"d":"9007199254740993"}';
  for (const parse of [parseExactJson, parseShallowJson]) {
    const value = parse(text);
    expect(value).toEqual({
      a: [9007199254740993n, -9223372036854775808n, 5, 1.5],
      b: { c: 18446744073709551615n },
      d: '9007199254740993',
    });
    expect(exactJsonText(value)).toBe(text);
  }
  expect(exactJsonText({ a: [9007199254740993n], b: 1 }, { indent: 2 })).toBe('{\n  "a": [\n    9007199254740993\n  ],\n  "b": 1\n}');
  expect(exactJsonText({ b: 1 }, { indent: 2 })).toBe('{\n  "b": 1\n}');
});

test.each([
  '9007199254740993',
  '-9007199254740993',
  '[1,9007199254740993]',
  '{"a" :\n9007199254740993}',
  '[\t-123456789012345678901234567890]',
])('%s has a long whole number wherever it stands', (text) => {
  expect(hasLongIntegers(text)).toBe(true);
  expect(exactJsonText(parseExactJson(text))).toBe(text.replace(/\s/g, ''));
});

test('other numbers are what they are', () => {
  expect(parseExactJson('[0.12345678901234567,1e300,9007199254740991]')).toEqual([0.12345678901234567, 1e300, 9007199254740991]);
  expect(hasLongIntegers('{"a":0.12345678901234567,"b":"9007199254740993"}')).toBe(false);
  expect(parseExactJson('[12345678901234567.5,12345678901234567e2]')).toEqual([12345678901234568, 1234567890123456700]);
});

test('what is nested too deep to be walked is no JSON', () => {
  const nested = (levels: number): string => '[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2);
  expect(() => parseShallowJson(nested(502))).toThrow('lists and objects are nested deeper than 500 levels');
  expect(() => parseShallowJson('['.repeat(100_000))).toThrow(SyntaxError);
  expect(exactJsonText(parseShallowJson(nested(500)))).toBe(nested(500));
  const wide = `[${'[],{"b":"[[[\\"{{{"},'.repeat(1_000)}1]`;
  expect(exactJsonText(parseShallowJson(wide))).toBe(wide);
});

test('depth alone is no mistake to who does not walk a value', () => {
  expect(() => parseExactJson('['.repeat(2_000) + ']'.repeat(2_000))).not.toThrow();
});
