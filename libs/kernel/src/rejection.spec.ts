import { describe, expect, test } from '@jest/globals';
import { Fault, isFault, unlessFault } from './rejection.js';

const busy = new Fault('MR_BUSY', 'busy', true);
const broken = new Fault('MR_BROKEN', 'broken', false);

function failing(error: Error): () => never {
  return () => {
    throw error;
  };
}

test('a fault is told by its name and code, also one of another realm', () => {
  expect(isFault(busy)).toBe(true);
  expect(isFault(Object.assign(new Error('elsewhere'), { name: 'Fault', code: 'MR_ELSEWHERE' }))).toBe(true);
  expect([new Error('a bug'), { name: 'Fault', code: 'MR_NONE' }, undefined].map(isFault)).toEqual([false, false, false]);
});

describe('unlessFault', () => {
  test('gives what the work gives', () => {
    expect(unlessFault(() => 7)).toBe(7);
  });

  test('forgives any fault, or those it is told to', () => {
    expect(unlessFault(failing(busy))).toBeUndefined();
    expect(unlessFault(failing(broken), ({ retryable }) => !retryable)).toBeUndefined();
    expect(() => unlessFault(failing(busy), ({ retryable }) => !retryable)).toThrow(busy);
  });

  test('forgives no bug', () => {
    expect(() => unlessFault(failing(new TypeError('a bug')))).toThrow('a bug');
  });
});
