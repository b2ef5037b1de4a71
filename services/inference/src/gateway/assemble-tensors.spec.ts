import { expect, test } from '@jest/globals';
import { assembleTensors } from './assemble-tensors.js';

const layout = { inputs: [{ name: 'n', datatype: 'INT64' as const, shape: [-1, 2] }], features: ['a', 'b'] };
const row = (a: number | null, b: number | null) => new Map([...Object.entries({ a, b })]);

test('a missing value that the input has no word for is refused by its row and keys', () => {
  const entities = [{ card: 'c0' }, { card: 'c1' }, { card: 'c2', shop: 7 }];
  expect(() => assembleTensors(layout, [row(1, 2), row(3, null)], [0, 2], entities)).toThrow(
    'feature "b" has no value in row 2 (card "c2", shop 7), and the model\'s INT64 input cannot say so',
  );
  expect(() => assembleTensors(layout, [row(null, 2)])).toThrow('feature "a" has no value, and the model\'s INT64 input cannot say so');
});

test('in a floating point input it is NaN', () => {
  const floats = { ...layout, inputs: [{ name: 'n', datatype: 'FP32' as const, shape: [-1, 2] }] };
  expect(assembleTensors(floats, [row(1, null)])).toEqual([{ name: 'n', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, NaN) }]);
});
