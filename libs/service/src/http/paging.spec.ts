import { expect, test } from '@jest/globals';
import { itemsAfter, limitOf, pageOf } from './paging.js';

const SIZE = { usual: 2, highest: 3 };
const invalid = (message: string): Error => new Error(message);
const tokenOf = (item: string): string => `at ${item}`;

test.each([
  [undefined, 2],
  ['1', 1],
  ['3', 3],
])('limit %s', (limit, most) => {
  expect(limitOf(limit, SIZE, invalid)).toBe(most);
});

test.each(['', '0', '-1', '4', '1.5', 'many'])('limit %j is refused', (limit) => {
  expect(() => limitOf(limit, SIZE, invalid)).toThrow('limit must be a whole number from 1 to 3');
});

test('pages follow each other to the end', () => {
  const items = ['a', 'b', 'c', 'd', 'e'];
  const seen: string[][] = [];
  for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
    const { page, next } = pageOf(itemsAfter(items, token, tokenOf, invalid), 2, tokenOf);
    seen.push([...page]);
    token = next.nextPageToken;
  }
  expect(seen).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  expect(pageOf([], 2, tokenOf)).toEqual({ page: [], next: {} });
});

test('a token of another list is refused', () => {
  expect(() => itemsAfter(['a'], 'at b', tokenOf, invalid)).toThrow('pageToken is not one this list gave');
});
