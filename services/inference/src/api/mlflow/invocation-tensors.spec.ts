import { expect, test } from '@jest/globals';
import type { ModelDescription } from '../../queries/serving-status.js';
import { invocationTensors, predictionsJson } from './invocation-tensors.js';
import { parseInvocation } from './parse-invocation.js';

const matrix: ModelDescription = {
  ...{ versions: ['1'], maxBatchRows: 64, featureService: undefined },
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

test('a column that has the name of the matrix is one of its columns; a column of lists is all of it', () => {
  const tensors = (body: object) => invocationTensors('m', matrix, parseInvocation(Buffer.from(JSON.stringify(body))));
  expect(tensors({ dataframe_split: { columns: ['x', 'y', 'z'], data: [[1, 2, 3]] } })).toMatchObject([
    { name: 'x', shape: [1, 3], data: Float32Array.of(1, 2, 3) },
  ]);
  expect(tensors({ inputs: { x: [[1, 2, 3]], y: [0], z: [0] } })).toMatchObject([{ name: 'x', shape: [1, 3] }]);
});
