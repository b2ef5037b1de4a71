import { expect, test } from '@jest/globals';
import { parseDocuments } from './parse-documents.js';

const entity = (lines: readonly string[]): string =>
  `apiVersion: millrace.dev/v1\nkind: Entity\nmetadata: {name: e}\nspec:\n${lines.join('\n')}\n`;
const messages = (text: string): string[] => parseDocuments(text).problems.map(({ message }) => message);

test('an object with many keys is read in time of their number', () => {
  const keys = Array.from({ length: 30_000 }, (_, index) => `  key_${index}: 1`);
  const started = performance.now();
  const { documents, problems } = parseDocuments(entity(keys));
  expect(performance.now() - started).toBeLessThan(10_000);
  expect([documents.length, problems]).toEqual([1, []]);
});

test('no key may be there twice, however deep', () => {
  expect(messages(entity(['  joinKeys: {e: String}', '  joinKeys: {f: String}']))).toEqual([
    'not valid YAML or JSON: Map keys must be unique, joinKeys is there twice at line 6, column 3',
  ]);
  expect(messages('{"a": [{"b": {"c": 1, "d": 2, "c": 3}}]}')).toEqual([
    'not valid YAML or JSON: Map keys must be unique, c is there twice at line 1, column 31',
  ]);
});

test('a text that would take too long is refused before it is read', () => {
  expect(messages('a: '.padEnd(1_100_000, '['))).toEqual(['1100000 characters; at most 1048576 at once, apply them in parts']);
});
