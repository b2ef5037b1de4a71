import { expect, test } from '@jest/globals';
import type { Datatype } from '../domain/tensor/tensor.js';
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

test.each<[Datatype, number | bigint | string | boolean]>([
  ['INT32', 3_000_000_000],
  ['INT32', -3_000_000_000n],
  ['UINT8', -1],
  ['UINT8', 256],
  ['INT64', 2n ** 63n],
  ['UINT64', -1n],
  ['BOOL', 2],
  ['INT8', 1.5],
  ['BYTES', 'a\0b'],
  ['FP32', 1e39],
  ['FP32', -3.5e38],
  ['BF16', 3.4e38],
  ['FP16', 70_000],
  ['FP16', 70_000n],
])('a %s input refuses %s, which it would take for something else', (datatype, value) => {
  const one = { inputs: [{ name: 'n', datatype, shape: [-1, 1] }], features: ['a'] };
  expect(() => assembleTensors(one, [new Map([['a', value]])])).toThrow(/^feature "a" is /);
});

test.each<[Datatype, number | bigint | boolean, number | bigint]>([
  ['INT32', -2_147_483_648n, -2_147_483_648],
  ['UINT64', 2n ** 64n - 1n, 2n ** 64n - 1n],
  ['BOOL', true, 1],
  ['FP32', 3n, 3],
  ['FP16', -65_504, -65_504],
  ['FP64', 1e39, 1e39],
  ['FP32', Infinity, Infinity],
  ['FP64', -Infinity, -Infinity],
  ['FP32', NaN, NaN],
])('a %s input takes %s', (datatype, value, taken) => {
  const one = { inputs: [{ name: 'n', datatype, shape: [-1, 1] }], features: ['a'] };
  expect(assembleTensors(one, [new Map([['a', value]])])[0]?.data[0]).toBe(taken);
});
