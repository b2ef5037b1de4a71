import { expect, test } from '@jest/globals';
import { cutPage, limitOf, pageOf, type PagedList } from './paging.js';

const SIZE = { usual: 2, highest: 3 };
const tokenOf = (item: string): string => `at ${item}`;
const invalid = (message: string, field?: string): Error => new Error(field === undefined ? message : `${field}: ${message}`);

function listOf(items: readonly string[], others: Partial<PagedList<string>> = {}): PagedList<string> {
  return { items: () => items, tokenOf, size: SIZE, invalid, ...others };
}

async function everyPage(items: readonly string[], others: Partial<PagedList<string>> = {}): Promise<(readonly string[])[]> {
  const seen: (readonly string[])[] = [];
  let pageToken: string | undefined;
  do {
    const { page, next } = await pageOf({ ...(pageToken === undefined ? {} : { pageToken }) }, listOf(items, others));
    seen.push(page);
    pageToken = next.nextPageToken;
  } while (pageToken !== undefined);
  return seen;
}

test.each([
  [undefined, 2],
  ['1', 1],
  ['3', 3],
])('limit %s', async (limit, most) => {
  expect(limitOf(limit, SIZE, invalid)).toBe(most);
  const { page } = await pageOf({ ...(limit === undefined ? {} : { limit }) }, listOf(['a', 'b', 'c', 'd']));
  expect(page).toHaveLength(most);
});

test.each(['', '0', '-1', '4', '1.5', 'many'])('limit %j is refused before the list is asked', async (limit) => {
  const items = (): never => {
    throw new Error('asked');
  };
  await expect(pageOf({ limit }, listOf([], { items }))).rejects.toThrow('limit: limit must be a whole number from 1 to 3');
});

test('100 items are a page, and 1000 may be, unless the list says otherwise', async () => {
  const { size: _size, ...list } = listOf(Array.from({ length: 1001 }, (_, index) => String(index)));
  expect((await pageOf({}, list)).page).toHaveLength(100);
  expect((await pageOf({ limit: '1000' }, list)).page).toHaveLength(1000);
  await expect(pageOf({ limit: '1001' }, list)).rejects.toThrow('limit must be a whole number from 1 to 1000');
});

test.each([[{}], [{ isInTokenOrder: true }], [{ items: () => Promise.resolve(['a', 'b', 'c', 'd', 'e']) }]])(
  'pages follow each other to the end: %j',
  async (others) => {
    expect(await everyPage(['a', 'b', 'c', 'd', 'e'], others)).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(await everyPage(['a', 'b', 'c', 'd'], { isWanted: (item) => item !== 'b' })).toEqual([['a', 'c'], ['d']]);
  },
);

test('an empty list is one page', async () => {
  expect(await pageOf({}, listOf([]))).toEqual({ page: [], next: {} });
  expect(cutPage([], 2, tokenOf)).toEqual({ page: [], next: {} });
});

test('a page may begin after an item that is not asked for', async () => {
  const { page } = await pageOf({ pageToken: 'at b' }, listOf(['a', 'b', 'c'], { isWanted: (item) => item !== 'b' }));
  expect(page).toEqual(['c']);
});

test('a token whose item is gone keeps its place in a list that is in the order of its tokens', async () => {
  expect((await pageOf({ pageToken: 'at b' }, listOf(['a', 'c'], { isInTokenOrder: true }))).page).toEqual(['c']);
  await expect(pageOf({ pageToken: 'at b' }, listOf(['a', 'c']))).rejects.toThrow('pageToken: pageToken is not one this list gave');
});
