import { describe, expect, test } from '@jest/globals';
import type { Datatype, TensorSignature } from '../signature.js';
import { assembleRows } from './assemble-rows.js';
import { normals, randomRows } from './random-rows.js';

const input = (name: string, datatype: Datatype, ...shape: number[]): TensorSignature => ({ name, datatype, shape });
const features = new Map([['millrace.features', '["delay","trips__count"]']]);

describe('recorded rows', () => {
  test('tensors by name, features in the order of the metadata; a missing number is NaN', () => {
    const found = assembleRows({ inputs: [input('x', 'FP32', -1, 2)] }, features, [
      { inputs: { x: [1, 2] } },
      { features: { count: 4, delay: 3, other: 9 } },
      { features: { trips__count: null, delay: '5' } },
    ]);
    expect(found).toMatchObject({ used: 3, skipped: 0, problem: undefined });
    expect(found.rows).toEqual([{ name: 'x', datatype: 'FP32', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, NaN) }]);
  });

  test('an input per feature, each of its own type', () => {
    const inputs = [input('town', 'BYTES', -1, 1), input('id', 'INT64', -1), input('open', 'BOOL', -1, 1)];
    const { rows } = assembleRows({ inputs }, new Map(), [{ features: { town: 'Ulm', id: '9007199254740993', open: true } }]);
    expect(rows.map(({ shape }) => shape)).toEqual([[1, 1], [1], [1, 1]]);
    expect(rows.map(({ data }) => [...(data as ArrayLike<unknown> & Iterable<unknown>)])).toEqual([['Ulm'], [9007199254740993n], [1]]);
  });

  test('rows that do not fit are counted, with the reason', () => {
    const rows = [
      { inputs: { x: [1, 2, 3] } },
      { inputs: { x: [1, 'b'] } },
      { features: { delay: 1 } },
      {},
      { inputs: { x: [7, 8] }, truth: 1 },
    ];
    expect(assembleRows({ inputs: [input('x', 'FP64', -1, 2)] }, features, rows)).toMatchObject({
      ...{ used: 1, skipped: 4, truths: [1] },
      problem: 'input "x" takes 2 values a row, which the row does not have',
      rows: [{ shape: [1, 2] }],
    });
  });

  test('what the model leaves open is as the first row has it', () => {
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [-1, 2, -1] }];
    const found = assembleRows({ inputs }, new Map(), [
      {
        inputs: {
          x: [
            [1, 2, 3],
            [4, 5, 6],
          ],
        },
      },
      { inputs: { x: [1, 2, 3, 4] } },
    ]);
    expect(found).toMatchObject({ used: 1, skipped: 1, rows: [{ shape: [1, 2, 3] }] });
  });
});

describe('random rows', () => {
  test('the same for the same seed, floats of a normal distribution', () => {
    const inputs = [input('x', 'FP32', -1, 3), input('n', 'INT64', -1)];
    expect(randomRows({ inputs }, 5, 1)).toEqual(randomRows({ inputs }, 5, 1));
    expect(randomRows({ inputs }, 5, 1)).not.toEqual(randomRows({ inputs }, 5, 2));
    const random = normals(3);
    const values = Array.from({ length: 20_000 }, random);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length).toBeCloseTo(1, 1);
  });

  test('none for texts, a fixed number of rows, or an open dimension', () => {
    for (const one of [input('x', 'BYTES', -1, 3), input('x', 'FP32', 1, 3), input('x', 'FP32', -1, -1)]) {
      expect(randomRows({ inputs: [one] }, 5, 1)).toBeUndefined();
    }
  });
});
