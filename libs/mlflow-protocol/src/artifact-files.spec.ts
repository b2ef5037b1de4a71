import { describe, expect, test } from '@jest/globals';
import { safeArtifactPath } from './artifact-files.js';
import { byteRangeOf } from './byte-range.js';

describe('safeArtifactPath', () => {
  test.each(['a', 'a/b', 'a b/ü.txt', '日本/x', 'a.b/..c', 'a%5Cb', ''])('takes %j', (path) => {
    expect(safeArtifactPath(path)).toBe(path);
  });

  test('a directory may end in slashes', () => {
    expect(safeArtifactPath('a/b//')).toBe('a/b');
  });

  test.each(['/', '//', '/a', '..', 'a/../b', '%2e%2e/b', 'a/.', '..\\a', 'a\0b'])('refuses %j', (path) => {
    expect(() => safeArtifactPath(path)).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER_VALUE', message: 'Invalid path' }));
  });

  test.each(['back\\slash.txt', 'a/b\\'])('says of %j that a backslash is in the way', (path) => {
    expect(() => safeArtifactPath(path)).toThrow(/^Invalid path: the name '.*' holds a backslash.*rename/);
  });
});

describe('byteRangeOf', () => {
  test.each([
    ['bytes=0-9', 100, { start: 0, end: 9 }],
    ['bytes=90-', 100, { start: 90, end: 99 }],
    ['bytes=90-200', 100, { start: 90, end: 99 }],
    ['bytes=-10', 100, { start: 90, end: 99 }],
    ['bytes=-1000', 100, { start: 0, end: 99 }],
    ['Bytes = 5 - 5', 100, { start: 5, end: 5 }],
    ['bytes=100-', 100, 'none'],
    ['bytes=-0', 100, 'none'],
    ['bytes=0-', 0, 'none'],
    ['bytes=-5', 0, 'whole'],
    ['bytes=9-5', 100, 'whole'],
    ['bytes=0-1,5-6', 100, 'whole'],
    ['bytes=-', 100, 'whole'],
    ['lines=0-9', 100, 'whole'],
    ['bytes=a-b', 100, 'whole'],
    [undefined, 100, 'whole'],
  ] as const)('%s of %d bytes', (header, size, expected) => {
    expect(byteRangeOf(header, size)).toEqual(expected);
  });
});
