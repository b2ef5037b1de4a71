import { expect, test } from '@jest/globals';
import { AttributeType, DataType, writeModel, type NodeProto, type TensorProto, type ValueInfoProto } from '@millrace/onnx';
import { openSession } from '@millrace/onnx/runtime';
import type { Datatype, TensorSpec } from '../domain/tensor/tensor.js';
import { runSession } from './ort-session.js';
import { isRowwise, mixesRows } from './row-mixing.js';

const axis = (value: number) => ({ name: 'axis', type: AttributeType.INT, i: value });

/** Whether the runtime's answers to a graph from `x` [N, 3] to `y` depend on the rows beside. */
async function isMixing(node: readonly NodeProto[], options: { type?: number; free?: boolean } = {}): Promise<boolean> {
  const { type = DataType.FLOAT, free = true } = options;
  const value = (name: string): ValueInfoProto => {
    const first = free ? { dimParam: 'N' } : { dimValue: 1 };
    return { name, type: { tensorType: { elemType: type, shape: { dim: [first, { dimValue: 3 }] } } } };
  };
  const rows = { name: 'rows', dims: [1], dataType: DataType.INT64, int64Data: [0] };
  const graph = {
    name: 'g',
    input: [value('x')],
    output: [value('y')],
    initializer: [rows],
    node: [...node],
  };
  const session = await openSession(writeModel({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph: graph }));
  const datatype: Datatype = type === DataType.FLOAT ? 'FP32' : type === DataType.INT64 ? 'INT64' : 'BYTES';
  const spec = (name: string): TensorSpec => ({ name, datatype, shape: [free ? -1 : 1, 3] });
  return mixesRows([spec('x')], [spec('y')], async (inputs) => (await runSession(session, inputs, ['y'])).outputs);
}

test('what is computed row by row is told from what is computed over the rows', async () => {
  const over = (op: string, by: number): NodeProto[] => [{ opType: op, input: ['x'], output: ['y'], attribute: [axis(by)] }];
  const centred: NodeProto[] = [
    { opType: 'ReduceMean', input: ['x'], output: ['mean'], attribute: [{ name: 'axes', type: AttributeType.INTS, ints: [0] }] },
    { opType: 'Sub', input: ['x', 'mean'], output: ['y'] },
  ];
  expect(await isMixing(over('Softmax', 1))).toBe(false);
  expect(await isMixing(over('Softmax', 0))).toBe(true);
  expect(await isMixing(centred)).toBe(true);
  const summed: NodeProto[] = [{ opType: 'CumSum', input: ['x', 'rows'], output: ['y'] }];
  expect(await isMixing(summed)).toBe(true);
  expect(await isMixing(summed, { type: DataType.INT64 })).toBe(true);
});

test('a scale taken from the whole batch is found out, though rows of a like size hide it', async () => {
  // The signs alone of x in 8-bit integers: rows of a like size have them right, beside an outlier all are 0.
  const constant = (name: string, tensor: TensorProto): NodeProto => ({
    ...{ opType: 'Constant', output: [name] },
    attribute: [{ name: 'value', type: AttributeType.TENSOR, t: tensor }],
  });
  const quantized: NodeProto[] = [
    constant('w', { dims: [3, 3], dataType: DataType.INT8, rawData: Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1) }),
    { opType: 'DynamicQuantizeLinear', input: ['x'], output: ['integers', 'scale', 'zero'] },
    { opType: 'MatMulInteger', input: ['integers', 'w', 'zero'], output: ['product'] },
    { opType: 'Cast', input: ['product'], output: ['floats'], attribute: [{ name: 'to', type: AttributeType.INT, i: DataType.FLOAT }] },
    { opType: 'Mul', input: ['floats', 'scale'], output: ['scaled'] },
    { opType: 'Sign', input: ['scaled'], output: ['y'] },
  ];
  expect(await isMixing(quantized)).toBe(true);
});

test('rows that no run could share, or that the model does not take, are left as they are', async () => {
  const same: NodeProto[] = [{ opType: 'Identity', input: ['x'], output: ['y'] }];
  expect(await isMixing(same, { type: DataType.STRING })).toBe(false);
  expect(await isMixing([{ opType: 'Softmax', input: ['x'], output: ['y'], attribute: [axis(0)] }], { free: false })).toBe(false);
  const spec: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 3] };
  expect(await mixesRows([spec], [spec], () => Promise.reject(new Error('no such category')))).toBe(false);
});

test('another number of rows than was given is no answer by row', async () => {
  const spec: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 1] };
  const first = { name: 'x', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(1) } as const;
  expect(await mixesRows([spec], [spec], () => Promise.resolve([first]))).toBe(true);
});

test('a model without inputs has no rows that requests could share, whatever number it gives', () => {
  const spec: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 1] };
  expect([isRowwise([], [spec]), isRowwise([spec], [spec])]).toEqual([false, true]);
});
