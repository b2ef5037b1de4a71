import { DataType, logisticRegression, writeModel, type NodeProto, type ValueInfoProto } from '@millrace/onnx';

function value(name: string, elemType: number, columns: number): ValueInfoProto {
  return { name, type: { tensorType: { elemType, shape: { dim: [{ dimParam: 'N' }, { dimValue: columns }] } } } };
}

function graph(nodes: NodeProto[], input: ValueInfoProto[], output: ValueInfoProto[]): Uint8Array {
  return writeModel({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph: { name: 'g', node: nodes, input, output } });
}

const node = (opType: string, input: string[], output: string): NodeProto => ({ opType, name: output, input, output: [output] });

const TYPES: Readonly<Record<string, number>> = {
  ...{ BOOL: DataType.BOOL, UINT8: DataType.UINT8, UINT16: DataType.UINT16, UINT32: DataType.UINT32, UINT64: DataType.UINT64 },
  ...{ INT8: DataType.INT8, INT16: DataType.INT16, INT32: DataType.INT32, INT64: DataType.INT64, FP16: DataType.FLOAT16 },
  ...{ BF16: DataType.BFLOAT16, FP32: DataType.FLOAT, FP64: DataType.DOUBLE, BYTES: DataType.STRING },
};

/** Gives every datatype of the protocol back as it came: `FP16` as `FP16_out`. */
const types = graph(
  Object.keys(TYPES).map((name) => node('Identity', [name], `${name}_out`)),
  Object.entries(TYPES).map(([name, type]) => value(name, type, 2)),
  Object.entries(TYPES).map(([name, type]) => value(`${name}_out`, type, 2)),
);

/** Models that between them exercise what a client may send: integers, 64-bit integers, strings, floats. */
export const MODELS: Readonly<Record<string, Uint8Array>> = {
  // The pair of INT32[16] inputs, their sum and difference, that the protocol's example clients expect under this name.
  simple: graph(
    [node('Add', ['INPUT0', 'INPUT1'], 'OUTPUT0'), node('Sub', ['INPUT0', 'INPUT1'], 'OUTPUT1')],
    [value('INPUT0', DataType.INT32, 16), value('INPUT1', DataType.INT32, 16)],
    [value('OUTPUT0', DataType.INT32, 16), value('OUTPUT1', DataType.INT32, 16)],
  ),
  echo: graph(
    [node('Identity', ['text'], 'text_out'), node('Identity', ['whole'], 'whole_out'), node('Identity', ['flag'], 'flag_out')],
    [value('text', DataType.STRING, 2), value('whole', DataType.INT64, 2), value('flag', DataType.BOOL, 2)],
    [value('text_out', DataType.STRING, 2), value('whole_out', DataType.INT64, 2), value('flag_out', DataType.BOOL, 2)],
  ),
  types,
  // Registered only; the sessions load and unload it.
  spare: graph([node('Neg', ['x'], 'y')], [value('x', DataType.FLOAT, 2)], [value('y', DataType.FLOAT, 2)]),
  logistic: logisticRegression({ features: ['a', 'b'], weights: [1, -2], bias: 0.5, mean: [0, 0], scale: [1, 1], missingWeights: [3, 0] }),
};
