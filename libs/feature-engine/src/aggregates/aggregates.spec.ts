import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COUNTED_EXACTLY, DistinctValues } from './distinct-values.js';
import { integerSquaresAround, squaresAround } from './moments.js';
import { QuantileSketch, RANKED_EXACTLY } from './quantile-sketch.js';
import { TopValues } from './top-values.js';

/** A sequence that looks random and is the same on every run. */
function* sequence(seed: number): Generator<number> {
  for (let state = seed >>> 0; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

function distinct(values: Iterable<number | bigint | string>): number {
  const counter = new DistinctValues();
  for (const value of values) counter.add(value);
  return counter.count;
}

describe('count_distinct', () => {
  test(`is exact up to ${COUNTED_EXACTLY} values, however often they come`, () => {
    const values = Array.from({ length: COUNTED_EXACTLY }, (_, index) => index);
    expect(distinct([...values, ...values.reverse()])).toBe(COUNTED_EXACTLY);
    expect(distinct([])).toBe(0);
    expect(distinct(['1', 1, 1n, '1', 1, 1n])).toBe(3);
  });

  test('beyond has a standard error of 0.81 %, of every kind of value and at every size', () => {
    const kinds: ((index: number) => number | bigint | string)[] = [
      (index) => index,
      (index) => index * 0.37,
      (index) => -index * 1e9,
      (index) => BigInt(index) * 1_000_000_007n,
      (index) => BigInt(index) << 32n,
      (index) => `user-${index}`,
      (index) => index.toString(36).padStart(12, '0'),
    ];
    const errors: number[] = [];
    for (const kind of kinds) {
      for (const size of [1_100, 3_000, 10_000, 30_000, 60_000]) {
        const start = errors.length * 1_000_003;
        const error = distinct(Array.from({ length: size }, (_, index) => kind(start + index))) / size - 1;
        expect(Math.abs(error)).toBeLessThan(4 * 0.0081);
        errors.push(error);
      }
    }
    const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
    expect(deviation).toBeLessThan(0.0081 * 1.25);
  });

  test('is the same in any order and with any repetitions', () => {
    const values = Array.from({ length: 5_000 }, (_, index) => `v${index}`);
    const backwards = [...values].reverse();
    expect(distinct([...backwards, ...values.slice(0, 777)])).toBe(distinct(values));
  });
});

function sketchOf(values: readonly number[], nulls = 0): QuantileSketch {
  const held = Float64Array.from([...new Array<number>(nulls).fill(NaN), ...values]);
  const slices = [
    { values: held, from: 0, to: 7 },
    { values: held, from: 7, to: held.length },
  ];
  return new QuantileSketch(slices, values.length, Math.min(...values), Math.max(...values));
}

describe('quantile', () => {
  const QUANTILES = [0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1];
  const exact = (values: readonly number[], quantile: number): number =>
    [...values].sort((a, b) => a - b)[Math.floor(quantile * (values.length - 1))] as number;

  test(`is exact up to ${RANKED_EXACTLY} values`, () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
          { minLength: 8, maxLength: 300 },
        ),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, quantile) => {
          expect(sketchOf(values, 3).at(quantile)).toBe(exact(values, quantile));
        },
      ),
    );
  });

  test('beyond is within 1/128 of the exact value, over many magnitudes, with zeros and negative values', () => {
    const random = sequence(5);
    const next = (): number => random.next().value as number;
    const shapes: (() => number)[] = [
      () => next() * 1_000,
      () => Math.exp(next() * 60 - 30),
      () => (next() - 0.5) * 10 ** Math.floor(next() * 12),
      () => (next() < 0.3 ? 0 : next() - 0.2),
      () => Math.round(next() * 20) - 5,
      () => 42,
      () => (next() < 0.01 ? Number.MAX_VALUE : -Number.MAX_VALUE * next()),
    ];
    for (const shape of shapes) {
      const values = Array.from({ length: 20_000 }, shape).map((value) => value + 0);
      const sketch = sketchOf(values, 100);
      const shuffled = sketchOf([...values].reverse(), 3);
      for (const quantile of QUANTILES) {
        const right = exact(values, quantile);
        const told = sketch.at(quantile);
        expect(Math.abs(told - right)).toBeLessThanOrEqual(Math.abs(right) / 128);
        expect(shuffled.at(quantile)).toBe(told);
      }
    }
  });
});

test('top_k ranks by how often, then by the lesser value, and is JSON', () => {
  const top = new TopValues(false);
  for (const value of ['b', 'a', 'c', 'c', 'ü"', 'b']) top.add(value);
  expect(top.first(3)).toBe('["b","c","a"]');
  expect(JSON.parse(top.first(100))).toEqual(['b', 'c', 'a', 'ü"']);
  const flags = new TopValues(true);
  for (const value of [1, 0, 1]) flags.add(value);
  expect(flags.first(2)).toBe('[true,false]');
  const longs = new TopValues(false);
  for (const value of [5n, 2n ** 60n, 2n ** 60n]) longs.add(value);
  expect(longs.first(2)).toBe('["1152921504606846976",5]');
});

test('the squares around the mean keep their digits where the values are far from zero and close together', () => {
  const values = Float64Array.from([1e9 + 4, 1e9 + 7, NaN, 1e9 + 13, 1e9 + 16]);
  expect(squaresAround(1e9 + 10, [{ values, from: 0, to: 5 }], 4)).toBe(90);
  const longs = [2n ** 62n, 2n ** 62n + 1n, 2n ** 62n + 2n];
  const sum = longs.reduce((total, value) => total + value, 0n);
  const sumOfSquares = longs.reduce((total, value) => total + value * value, 0n);
  expect(integerSquaresAround(sum, sumOfSquares, 3)).toBe(2);
});
