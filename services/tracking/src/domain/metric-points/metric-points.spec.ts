import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fromWire, isLater, toWire, type MetricPoint } from './metric-points.js';

const point = (step: number, timestamp: number, value: number): MetricPoint => ({ key: 'k', value, timestamp, step });

describe('metric points', () => {
  test('any double survives the wire', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const there = JSON.parse(JSON.stringify(toWire(point(1, 2, value)))) as ReturnType<typeof toWire>;
        const expected = Object.is(value, -0) ? 0 : value;
        expect(fromWire(there).value).toBe(expected);
      }),
    );
  });

  test('step comes before timestamp, timestamp before value; NaN counts as 0', () => {
    const later: [MetricPoint, MetricPoint][] = [
      [point(2, 1, 0), point(1, 9, 9)],
      [point(1, 2, 0), point(1, 1, 9)],
      [point(1, 1, 2), point(1, 1, 1)],
      [point(1, 1, 0.1), point(1, 1, NaN)],
      [point(1, 1, NaN), point(1, 1, -1)],
      [point(1, 1, Infinity), point(1, 1, 1e308)],
    ];
    for (const [a, b] of later) expect([isLater(a, b), isLater(b, a)]).toEqual([true, false]);
    expect(isLater(point(1, 1, 1), point(1, 1, 1))).toBe(false);
  });

  test('the latest of a batch does not hang on its order', () => {
    const points = fc.array(fc.tuple(fc.integer({ max: 3 }), fc.integer({ max: 3 }), fc.integer({ max: 3 })), { minLength: 1 });
    const latest = (all: MetricPoint[]) => all.reduce((best, one) => (isLater(one, best) ? one : best));
    fc.assert(
      fc.property(points, (tuples) => {
        const all = tuples.map((tuple) => point(...tuple));
        expect(latest(all)).toEqual(latest([...all].reverse()));
      }),
    );
  });
});
