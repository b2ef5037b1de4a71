import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compactJson } from './compact-json.js';

test.each([
  ['{ "id" : 9007199254740993 ,\n "x":1.0,\t"x": 1e2 }\r\n', '{"id":9007199254740993,"x":1.0,"x":1e2}'],
  ['{"b":1,"10":"a \\" b \\\\ ","2":[ 1 , 2 ]}', '{"b":1,"10":"a \\" b \\\\ ","2":[1,2]}'],
  [' 18446744073709551615 ', '18446744073709551615'],
])('%j on one line is %j', (text, compact) => {
  expect(compactJson(text)).toBe(compact);
});

test('what is written with spaces becomes what is written without', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => void expect(compactJson(JSON.stringify(value, null, 2))).toBe(JSON.stringify(value))));
});
