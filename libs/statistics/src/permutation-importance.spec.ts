import { describe, expect, test } from '@jest/globals';
import { permutationImportance } from './permutation-importance.js';
import { randomNumbers } from './random-numbers.js';
import type { Feature } from './regression-tree.js';

const ROWS = 400;
const random = randomNumbers(7);
const uniform = () => Array.from({ length: ROWS }, () => random());
const number = (values: number[]): Feature => ({ kind: 'number', values });

describe('permutationImportance', () => {
  test('of independent features of an additive target, importances go with the variances they bring', () => {
    const [strong, weak, idle] = [uniform(), uniform(), uniform()];
    const target = strong.map((value, row) => 3 * value + (weak[row] as number));
    const { features, explained } = permutationImportance([number(strong), number(weak), number(idle)], target);
    const [first, second, third] = features.map(({ importance }) => importance) as [number, number, number];
    // Shuffling an independent term adds twice its variance: 2 * 9/10 and 2 * 1/10 of the target's.
    expect(first).toBeGreaterThan(1.3);
    expect(first).toBeLessThan(1.9);
    expect(second).toBeGreaterThan(0.08);
    expect(second).toBeLessThan(0.3);
    expect(third).toBeLessThan(0.03);
    expect(explained).toBeGreaterThan(0.9);
    expect(features.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
  });

  test('finds what works only together, and categories', () => {
    const [left, right] = [uniform(), uniform()];
    const category = uniform().map((value) => Math.floor(value * 4));
    const idle = uniform().map((value) => Math.floor(value * 4));
    const target = left.map((value, row) => (value > 0.5 !== (right[row] as number) > 0.5 ? 1 : 0) + (category[row] === 2 ? 2 : 0));
    const { features } = permutationImportance(
      [number(left), number(right), { kind: 'category', values: category }, { kind: 'category', values: idle }],
      target,
    );
    const [one, two, three, none] = features.map(({ importance }) => importance) as [number, number, number, number];
    expect(Math.min(one, two)).toBeGreaterThan(0.1);
    expect(three).toBeGreaterThan(Math.max(one, two));
    expect(none).toBeLessThan(0.05);
  });

  test('a monotone change of a feature changes nothing, missing values are allowed, and it can be computed again', () => {
    const values = uniform().map((value, row) => (row % 10 === 0 ? NaN : value));
    const other = uniform();
    const target = values.map((value) => (Number.isNaN(value) ? 5 : value));
    const plain = permutationImportance([number(values), number(other)], target);
    const logs = permutationImportance([number(values.map((value) => Math.exp(5 * value))), number(other)], target);
    expect(logs.features[0]?.share).toBeCloseTo(plain.features[0]?.share ?? 0, 2);
    expect(plain.features[0]?.share).toBeGreaterThan(0.95);
    expect(permutationImportance([number(values), number(other)], target)).toEqual(plain);
  });

  test('says that nothing explains noise, and nothing at all of a constant', () => {
    const noise = permutationImportance([number(uniform()), number(uniform())], uniform());
    expect(noise.explained).toBeLessThan(0.15);
    expect(permutationImportance([number(uniform())], new Array<number>(ROWS).fill(3))).toEqual({
      features: [{ importance: 0, share: 0 }],
      explained: 0,
    });
  });
});
