import { describe, expect, test } from '@jest/globals';
import { cursorOf, cursorToken, offsetOf, pageAfter, pageToken } from './page-token.js';

const page = (items: readonly string[], token: string | undefined, size = 2) => pageAfter(items, cursorOf(token), size, (item) => item);

describe('page tokens', () => {
  test('a page goes on after the last entry shown, whatever was added before it', () => {
    const first = page(['c', 'b', 'a'], undefined);
    expect(first.items).toEqual(['c', 'b']);
    const second = page(['e', 'd', 'c', 'b', 'a'], first.nextPageToken);
    expect(second).toEqual({ items: ['a'], nextPageToken: undefined });
  });

  test('where the last entry shown is gone, a page goes on at its place', () => {
    const { nextPageToken } = page(['d', 'c', 'b', 'a'], undefined);
    expect(page(['d', 'b', 'a'], nextPageToken).items).toEqual(['a']);
  });

  test('a token that has only an offset is taken', () => {
    expect(page(['c', 'b', 'a'], pageToken(2)).items).toEqual(['a']);
    expect(offsetOf(cursorToken('ü/1', 7))).toBe(7);
  });

  test.each(['!', 'bm90IGpzb24=', Buffer.from('{"offset": -1}').toString('base64'), Buffer.from('[]').toString('base64')])(
    '%j is refused',
    (token) => {
      expect(() => cursorOf(token)).toThrow('Invalid page token');
    },
  );
});
