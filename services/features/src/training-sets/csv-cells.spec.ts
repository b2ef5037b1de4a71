import { expect, test } from '@jest/globals';
import { isBlank, raggedRecord } from './csv-cells.js';

test.each([
  ['a,b\n1,2\n', undefined],
  ['a,b\n1,2', undefined],
  ['a,b\r\n1\r\n', { line: 2, cells: 1, wanted: 2 }],
  ['a,b\n"x,\n""y",2\n1,2,3', { line: 4, cells: 3, wanted: 2 }],
  ['"a,\nb",c\n1,2\n\n3,4', { line: 4, cells: 1, wanted: 2 }],
  ['a,b\n1,"2', undefined],
  ['a', undefined],
])('%p', (text, found) => {
  expect(raggedRecord(Buffer.from(text))).toEqual(found);
});

test('ends of lines are nothing', () => {
  expect([isBlank(Buffer.from('\r\n\n')), isBlank(Buffer.from('\n1'))]).toEqual([true, false]);
});
