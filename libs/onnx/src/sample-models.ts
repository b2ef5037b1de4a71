import { writeModel } from './model-codec.js';
import { AttributeType, DataType, type ModelProto, type NodeProto, type TensorProto, type ValueInfoProto } from './onnx-types.js';

// Graphs of a known function, for tests and benchmarks: one is slow because it computes much, not because it waits.

const node = (opType: string, input: string[], output: string): NodeProto => ({ opType, name: output, input, output: [output] });

const value = (name: string, elemType: number, columns: number): ValueInfoProto => ({
  name,
  type: { tensorType: { elemType, shape: { dim: [{ dimParam: 'N' }, { dimValue: columns }] } } },
});

function graph(nodes: NodeProto[], input: ValueInfoProto[], output: ValueInfoProto[], initializer: TensorProto[] = []): ModelProto {
  return { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph: { name: 'g', node: nodes, input, output, initializer } };
}

/** `y = x + bias`, FP32 [N, 1] to FP32 [N, 1]: some microseconds a run. `padding` bytes make it larger, and nothing else. */
export function addsModel(bias: number, padding = 0): Uint8Array {
  const constant: TensorProto = { name: 'bias', dims: [1], dataType: DataType.FLOAT, floatData: [bias] };
  const unused: TensorProto = { name: 'unused', dims: [padding], dataType: DataType.UINT8, rawData: new Uint8Array(padding) };
  return writeModel(
    graph(
      [node('Add', ['x', 'bias'], 'y')],
      [value('x', DataType.FLOAT, 1)],
      [value('y', DataType.FLOAT, 1)],
      padding === 0 ? [constant] : [constant, unused],
    ),
  );
}

/** The same function with a detour of `layers` times 65,536 hyperbolic tangents a row, which count for nothing: slow by its size. */
export function slowAddsModel(bias: number, layers: number, width = 65_536): Uint8Array {
  const floats = (name: string, dims: number[], data: Float32Array): TensorProto => ({
    name,
    dims,
    dataType: DataType.FLOAT,
    rawData: new Uint8Array(data.buffer),
  });
  const spread = Float32Array.from({ length: width }, (_, index) => index / width);
  const nodes = [node('Mul', ['x', 'spread'], 'h0')];
  for (let layer = 0; layer < layers; layer++) nodes.push(node('Tanh', [`h${layer}`], `h${layer + 1}`));
  nodes.push(node('ReduceSum', [`h${layers}`, 'columns'], 'sum'), node('Mul', ['sum', 'nothing'], 'zero'));
  nodes.push(node('Add', ['x', 'bias'], 'answer'), node('Add', ['answer', 'zero'], 'y'));
  return writeModel(
    graph(
      nodes,
      [value('x', DataType.FLOAT, 1)],
      [value('y', DataType.FLOAT, 1)],
      [
        floats('spread', [1, width], spread),
        floats('nothing', [1], Float32Array.of(0)),
        floats('bias', [1], Float32Array.of(bias)),
        { name: 'columns', dims: [1], dataType: DataType.INT64, int64Data: [1] },
      ],
    ),
  );
}

/** Each row less the middle of all rows it is run with: an answer that depends on who asks at the same time, FP32 [N, 1] to FP32 [N, 1]. */
export function centredModel(): Uint8Array {
  const rows = { name: 'axes', type: AttributeType.INTS, ints: [0] };
  const mean = { ...node('ReduceMean', ['x'], 'mean'), attribute: [rows] };
  return writeModel(graph([mean, node('Sub', ['x', 'mean'], 'y')], [value('x', DataType.FLOAT, 1)], [value('y', DataType.FLOAT, 1)], []));
}

/** Gives back what it is given: strings, 64-bit integers and booleans, two a row. */
export function echoModel(): Uint8Array {
  const columns = [
    ['text', DataType.STRING],
    ['whole', DataType.INT64],
    ['unsigned', DataType.UINT64],
    ['flag', DataType.BOOL],
  ] as const;
  return writeModel(
    graph(
      columns.map(([name]) => node('Identity', [name], `${name}_out`)),
      columns.map(([name, type]) => value(name, type, 2)),
      columns.map(([name, type]) => value(`${name}_out`, type, 2)),
    ),
  );
}

/** Takes nothing and gives [3, 4]. */
export function constantModel(): Uint8Array {
  const constant: TensorProto = { name: 'c', dims: [2], dataType: DataType.FLOAT, floatData: [3, 4] };
  const y: ValueInfoProto = { name: 'y', type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimValue: 2 }] } } } };
  return writeModel(graph([node('Identity', ['c'], 'y')], [], [y], [constant]));
}

/** Takes nothing and gives the places of what is not zero in [3, 4], as rows whose number the graph leaves open. */
export function constantRowsModel(): Uint8Array {
  const constant: TensorProto = { name: 'c', dims: [2], dataType: DataType.FLOAT, floatData: [3, 4] };
  const shape = { dim: [{ dimParam: 'N' }, { dimValue: 1 }] };
  const y: ValueInfoProto = { name: 'y', type: { tensorType: { elemType: DataType.INT64, shape } } };
  return writeModel(graph([node('NonZero', ['c'], 'places'), node('Transpose', ['places'], 'y')], [], [y], [constant]));
}

/** `y = x + x` in FP16. */
export function float16Model(): Uint8Array {
  return writeModel(graph([node('Add', ['x', 'x'], 'y')], [value('x', DataType.FLOAT16, 1)], [value('y', DataType.FLOAT16, 1)]));
}
