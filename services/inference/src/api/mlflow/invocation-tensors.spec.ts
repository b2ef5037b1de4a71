import { expect, test } from '@jest/globals';
import type { ModelDescription } from '../../queries/serving-status.js';
import { invocationTensors, predictionsJson } from './invocation-tensors.js';
import { parseInvocation } from './parse-invocation.js';

const matrix: ModelDescription = {
  ...{ version: '1', versions: ['1'], maxBatchRows: 64, featureService: undefined },
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
  outputs: [{ name: 'p', datatype: 'FP32', shape: [-1, 1] }],
  features: undefined,
};

test('a frame without rows is a tensor of its columns without rows, and is answered by no record', () => {
  for (const features of [undefined, ['x', 'y', 'z']]) {
    const invocation = parseInvocation(Buffer.from('{"dataframe_split": {"columns": ["x", "y", "z"], "data": []}}'));
    expect(invocationTensors('m', { ...matrix, features }, invocation)).toMatchObject([{ name: 'x', datatype: 'FP32', shape: [0, 3] }]);
  }
  expect(predictionsJson([{ name: 'p', datatype: 'FP32', shape: [0, 1], data: new Float32Array(0) }], true)).toBe('{"predictions":[]}');
});

test('a frame of no records and no columns is empty, one of a record without columns is not', () => {
  const isEmpty = (body: string) => parseInvocation(Buffer.from(body)).isEmpty;
  expect(isEmpty('{"dataframe_records": []}')).toBe(true);
  expect(isEmpty('{"dataframe_split": {"data": []}}')).toBe(true);
  for (const body of [
    '{"dataframe_records": [{}]}',
    '{"dataframe_split": {"columns": ["x"], "data": []}}',
    '{"dataframe_split": {"data": [[]]}}',
  ])
    expect(isEmpty(body)).toBe(false);
  expect(predictionsJson([], true)).toBe('{"predictions":[]}');
  expect(invocationTensors('m', matrix, parseInvocation(Buffer.from('{"instances": []}')))).toMatchObject([{ name: 'x', shape: [0, 3] }]);
});

test('a column that has the name of the matrix is one of its columns; a column of lists is all of it', () => {
  const tensors = (body: object) => invocationTensors('m', matrix, parseInvocation(Buffer.from(JSON.stringify(body))));
  expect(tensors({ dataframe_split: { columns: ['x', 'y', 'z'], data: [[1, 2, 3]] } })).toMatchObject([
    { name: 'x', shape: [1, 3], data: Float32Array.of(1, 2, 3) },
  ]);
  expect(tensors({ inputs: { x: [[1, 2, 3]], y: [0], z: [0] } })).toMatchObject([{ name: 'x', shape: [1, 3] }]);
});

test('what is no number is told by the name of its column and its row, not by the name of the matrix', () => {
  const features = ['a', 'b', 'c'];
  const tensors = (data: unknown[][], datatype: 'FP32' | 'INT32' = 'FP32') =>
    invocationTensors(
      'm',
      { ...matrix, features, inputs: [{ name: 'x', datatype, shape: [-1, 3] }] },
      parseInvocation(Buffer.from(JSON.stringify({ dataframe_split: { columns: features, data } }))),
    );
  const late = [
    [1, 2, 3],
    [1, 'late', 3],
  ];
  expect(() => tensors(late)).toThrow('column "b": "late" in row 1 is not a value of FP32, which the model takes');
  expect(() => tensors([[1, 2, null]], 'INT32')).toThrow('column "c": null in row 0 is not a value of INT32, which the model takes');
  expect(tensors([[1, 2, null]])).toMatchObject([{ data: Float32Array.of(1, 2, NaN) }]);
});

test('a frame with some of the names that the model gives its columns is refused for the others', () => {
  const features = ['a', 'b', 'c'];
  const tensors = (columns: string[], more: Partial<ModelDescription> = {}) =>
    invocationTensors(
      'm',
      { ...matrix, features, ...more },
      parseInvocation(Buffer.from(JSON.stringify({ dataframe_split: { columns, data: [[1, 2, 3]] } }))),
    );
  expect(tensors(['c', 'b', 'a'])).toMatchObject([{ data: Float32Array.of(3, 2, 1) }]);
  expect(() => tensors(['c', 'b', 'A'])).toThrow('column "a" is missing; the model\'s columns are "a", "b", "c"');
  // Names that are all others name nothing: the columns are taken as they come.
  expect(tensors(['0', '1', '2'])).toMatchObject([{ data: Float32Array.of(1, 2, 3) }]);
  // Where a feature service gives the columns, the frame has its keys and request features.
  expect(tensors(['a', 'key', 'other'], { featureService: 'fs' })).toMatchObject([{ name: 'a' }, { name: 'key' }, { name: 'other' }]);
  const whole = parseInvocation(Buffer.from('{"inputs": {"x": [[1, 2, 3]]}}'));
  expect(invocationTensors('m', { ...matrix, features: ['x', 'y', 'z'] }, whole)).toMatchObject([{ name: 'x', shape: [1, 3] }]);
});
