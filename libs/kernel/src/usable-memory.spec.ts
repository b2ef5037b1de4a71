import { expect, test } from '@jest/globals';
import { usableMemory } from './usable-memory.js';

test.each([
  [0, 8, 8],
  [4, 8, 4],
  [2 ** 64, 8, 8],
])('of a cgroup that says %d and a machine with %d, %d may be used', (constrained, total, usable) => {
  expect(usableMemory(constrained, total)).toBe(usable);
});
