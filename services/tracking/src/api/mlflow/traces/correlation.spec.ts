import { describe, expect, test } from '@jest/globals';
import { correlationOf } from './correlation.js';

describe('correlation of two properties of traces', () => {
  test('is 1 for what is always together, 0 for what is independent, -1 for what never is', () => {
    expect(correlationOf({ total: 10, first: 4, second: 4, both: 4 }).npmi).toBeCloseTo(1, 12);
    expect(correlationOf({ total: 100, first: 50, second: 20, both: 10 }).npmi).toBeCloseTo(0, 12);
    expect(correlationOf({ total: 10, first: 4, second: 4, both: 0 }).npmi).toBe(-1);
    expect(correlationOf({ total: 3, first: 3, second: 3, both: 3 })).toEqual({ npmi: 1, smoothed: 1 });
  });

  test('is not defined where one of them is never true', () => {
    expect(correlationOf({ total: 10, first: 0, second: 4, both: 0 })).toEqual({ npmi: Number.NaN, smoothed: Number.NaN });
    expect(correlationOf({ total: 0, first: 0, second: 0, both: 0 }).npmi).toBeNaN();
  });

  test('smoothing draws a small sample towards independence', () => {
    const { npmi, smoothed } = correlationOf({ total: 10, first: 6, second: 7, both: 6 });
    expect(npmi).toBeCloseTo(Math.log(0.6 / 0.42) / -Math.log(0.6), 12);
    expect(smoothed).toBeLessThan(npmi);
    expect(correlationOf({ total: 10, first: 4, second: 4, both: 0 }).smoothed).toBeGreaterThan(-1);
  });
});
