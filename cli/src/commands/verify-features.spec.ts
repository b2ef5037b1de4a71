import { expect, test } from '@jest/globals';
import { verificationText } from './verify-features.js';

test('tells each difference, what could not be compared, and the sum in the last line', () => {
  const text = verificationText({
    compared: 7,
    mismatches: 1,
    features: [
      { view: 'rides', feature: 'fare_1h', compared: 7, mismatches: 1 },
      { view: 'rides', feature: 'rides_1h', compared: 7, mismatches: 0 },
    ],
    unverifiable: { 'source rides has another topic now, and its table with it': 3 },
    examples: [
      {
        ...{ predictionId: 'p-1', view: 'rides', feature: 'fare_1h', entity: { driver: 4 } },
        ...{ at: '2026-01-01T00:00:00.000Z', served: 1.5, recomputed: null },
      },
    ],
  });
  const lines = text.trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/ +/g, ' ').trim())).toEqual([
    'VIEW FEATURE COMPARED MISMATCHES',
    'rides fare_1h 7 1',
    'rides rides_1h 7 0',
    '',
    'prediction p-1: rides:fare_1h of {"driver":4} at 2026-01-01T00:00:00.000Z was served as 1.5 and is null',
    '3 not compared: source rides has another topic now, and its table with it',
    '1 mismatches in 7 vectors',
  ]);
  expect(verificationText({ of: 'answers', compared: 0, mismatches: 0, features: [], unverifiable: {}, examples: [] })).toBe(
    'of answers\n0 mismatches in 0 vectors\n',
  );
  expect(verificationText({ compared: 0, mismatches: 0, features: [], unverifiable: {}, examples: [] })).toBe(
    '0 mismatches in 0 vectors\n',
  );
});
