import { expect, test } from '@jest/globals';
import { checkModel } from './check-model.js';
import { AttributeType, DataType, type GraphProto, type ModelProto, type NodeProto, type ValueInfoProto } from './onnx-types.js';
import { signatureOf } from './signature.js';
import { widenHalfPrecision } from './widen-half-precision.js';

const value = (name: string, elemType: number): ValueInfoProto => ({
  name,
  type: { tensorType: { elemType, shape: { dim: [{ dimParam: 'N' }] } } },
});
const node = (opType: string, input: string[], output: string[], more: Partial<NodeProto> = {}): NodeProto => ({
  opType,
  name: output[0] ?? '',
  input,
  output,
  ...more,
});
const modelOf = (graph: GraphProto): ModelProto => ({
  irVersion: 8,
  opsetImport: [{ domain: '', version: 17 }],
  graph: { name: 'g', ...graph },
});

test('half-precision inputs and outputs become FP32, and the graph between them stays as it was', () => {
  const branch = (name: string): GraphProto => ({
    name,
    node: [node('Add', ['x', 'x'], [`${name}_out`])],
    output: [value(`${name}_out`, DataType.FLOAT16)],
  });
  const model = modelOf({
    input: [value('x', DataType.FLOAT16), value('b', DataType.BFLOAT16), value('choose', DataType.BOOL), value('whole', DataType.INT64)],
    node: [
      node('If', ['choose'], ['y'], {
        attribute: [
          { name: 'then_branch', type: AttributeType.GRAPH, g: branch('then') },
          { name: 'else_branch', type: AttributeType.GRAPH, g: branch('else') },
        ],
      }),
      node('Neg', ['y'], ['z']),
      node('Identity', ['b'], ['b_out']),
      node('Identity', ['whole'], ['whole_out']),
    ],
    output: [
      value('y', DataType.FLOAT16),
      value('z', DataType.FLOAT16),
      value('b_out', DataType.BFLOAT16),
      value('whole_out', DataType.INT64),
    ],
  });
  expect(checkModel(model)).toEqual([]);
  expect(widenHalfPrecision(model)).toEqual(['x', 'b', 'y', 'z', 'b_out']);
  expect(checkModel(model)).toEqual([]);
  const { inputs, outputs } = signatureOf(model);
  expect([...inputs, ...outputs].map(({ name, datatype }) => `${name} ${datatype}`)).toEqual([
    'x FP32',
    'b FP32',
    'choose BOOL',
    'whole INT64',
    'y FP32',
    'z FP32',
    'b_out FP32',
    'whole_out INT64',
  ]);
  const casts = (model.graph?.node ?? []).filter(({ opType }) => opType === 'Cast').map(({ name, attribute }) => [name, attribute?.[0]?.i]);
  expect(casts.slice(0, 2).map(([, to]) => to)).toEqual([DataType.FLOAT16, DataType.BFLOAT16]);
  expect(casts.slice(2).map(([, to]) => to)).toEqual([DataType.FLOAT, DataType.FLOAT, DataType.FLOAT]);
});

test('a model without half precision is left alone', () => {
  const model = modelOf({ input: [value('x', DataType.FLOAT)], node: [node('Neg', ['x'], ['y'])], output: [value('y', DataType.FLOAT)] });
  const before = structuredClone(model);
  expect(widenHalfPrecision(model)).toEqual([]);
  expect(model).toEqual(before);
});
