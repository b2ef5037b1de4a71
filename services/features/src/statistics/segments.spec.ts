import { expect, test } from '@jest/globals';
import { SEGMENT_OFFSETS, segmentsBetween } from './segments.js';

test('segments that have something new, each up to where it is counted', () => {
  const end = 2 * SEGMENT_OFFSETS + 10;
  expect(segmentsBetween(3, 0, end).map(({ segment, until }) => [segment, until])).toEqual([
    [0, SEGMENT_OFFSETS],
    [1, 2 * SEGMENT_OFFSETS],
    [2, end],
  ]);
  expect(segmentsBetween(3, SEGMENT_OFFSETS, SEGMENT_OFFSETS)).toEqual([]);
  expect(segmentsBetween(3, SEGMENT_OFFSETS - 1, SEGMENT_OFFSETS)).toEqual([{ partition: 3, segment: 0, until: SEGMENT_OFFSETS }]);
  expect(segmentsBetween(3, end - 1, end)).toEqual([{ partition: 3, segment: 2, until: end }]);
  // A table that is filled again is behind what was counted.
  expect(segmentsBetween(3, end, 5)).toEqual([]);
});
