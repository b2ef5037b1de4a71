import { describe, expect, test } from '@jest/globals';
import { checkModel } from './check-model.js';
import { inlineExternalData, takeWeightsIn, type FileBeside } from './inline-external-data.js';
import { readModel, writeModel } from './model-codec.js';
import { AttributeType, type ModelProto, type TensorProto } from './onnx-types.js';
import { moveWeightsOut, perceptron } from './testing.js';

const none: FileBeside = () => undefined;
const problems = (bytes: Uint8Array): string[] => checkModel(readModel(bytes)).map(({ message }) => message);

function movedOut(location = 'weights.data'): { whole: Uint8Array; graph: Uint8Array; file: Uint8Array } {
  const whole = writeModel(perceptron({ sizes: [3, 8, 2] }));
  return { whole, ...moveWeightsOut(whole, location) };
}

describe('weights beside the graph', () => {
  test('are taken in, and the model is the one it was', () => {
    const { whole, graph, file } = movedOut();
    expect(problems(graph)[0]).toContain('keeps its data in "weights.data", which is not among the model\'s files');
    const { bytes, taken } = inlineExternalData(graph, (location) => (location === 'weights.data' ? file : undefined));
    expect(problems(bytes)).toEqual([]);
    expect(Buffer.from(bytes).equals(whole)).toBe(true);
    expect([...taken]).toEqual(['weights.data']);
  });

  test('are looked for from the folder of the graph, wherever that says they are', () => {
    const asked: string[] = [];
    for (const location of ['./weights.data', '../weights.data', '/etc/passwd'])
      inlineExternalData(movedOut(location).graph, (path) => void asked.push(path));
    expect([...new Set(asked)]).toEqual(['weights.data', '../weights.data', '/etc/passwd']);
  });

  test('that are not there, too short or nowhere leave the graph as it is', () => {
    const { graph, file } = movedOut();
    const outside = (entries: Record<string, string>): Uint8Array => {
      const model = readModel(graph);
      for (const tensor of model.graph!.initializer!) tensor.externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
      return writeModel(model);
    };
    const at = { location: 'weights.data' };
    for (const [bytes, fileOf] of [
      [graph, none],
      [graph, () => file.subarray(0, 4)],
      [outside({ ...at, offset: '-8', length: '8' }), () => file],
      [outside({ ...at, offset: '0', length: String(file.length + 1) }), () => file],
      [outside({ ...at, offset: 'x' }), () => file],
    ] as [Uint8Array, FileBeside][]) {
      const read = inlineExternalData(bytes, fileOf);
      expect(problems(read.bytes)[0]).toContain('keeps its data in');
    }
  });

  test('of constants in branches are taken in too', () => {
    const model: ModelProto = perceptron({ sizes: [3, 8, 2] });
    const far: TensorProto = { name: 'k', dims: [2], dataType: 1, dataLocation: 1, externalData: [{ key: 'location', value: 'k.bin' }] };
    model.graph!.node![0]!.attribute = [
      ...(model.graph!.node![0]!.attribute ?? []),
      {
        name: 'then_branch',
        type: AttributeType.GRAPH,
        g: { node: [{ opType: 'Constant', output: ['c'], attribute: [{ name: 'value', type: AttributeType.TENSOR, t: far }] }] },
      },
    ];
    const { bytes, taken } = inlineExternalData(writeModel(model), () => new Uint8Array(8));
    expect([...taken]).toEqual(['k.bin']);
    const inner = readModel(bytes).graph!.node![0]!.attribute!.at(-1)!.g!.node![0]!.attribute![0]!.t!;
    expect(inner.rawData).toHaveLength(8);
    expect(inner.externalData ?? []).toEqual([]);
  });

  test('count for every tensor that names them, and are refused before they are written where that is too much', () => {
    const location = [{ key: 'location', value: 'weights.data' }];
    const tensors = (count: number): TensorProto[] =>
      Array.from({ length: count }, (_, index) => ({
        name: `w${index}`,
        dims: [1024],
        dataType: 2,
        dataLocation: 1,
        externalData: location,
      }));
    const graph = writeModel({ irVersion: 8, graph: { initializer: tensors(300) } });
    const whole = graph.length + 300 * 1024;
    const file = new Uint8Array(1024);
    expect(inlineExternalData(graph, () => file, whole).taken).toEqual(new Set(['weights.data']));
    const refused = expect.objectContaining({
      code: 'MR_ONNX_TOO_LARGE',
      message: expect.stringContaining(
        `the graph has ${whole} bytes, more than the ${whole - 1} it may have; tensors that name the same bytes count each`,
      ),
    });
    expect(() => inlineExternalData(graph, () => file, whole - 1)).toThrow(refused);
    // What no graph can hold is refused whatever the bound is, or none.
    const large = new Uint8Array(1 << 23);
    for (const bound of [undefined, 2 ** 40])
      expect(() => inlineExternalData(graph, () => large, bound)).toThrow(/more than the 2000000000 it may have/);
    // In place nothing is copied, however often it is named.
    const model: ModelProto = { graph: { initializer: tensors(2) } };
    takeWeightsIn(model, { graphBytes: 0, fileOf: () => file });
    expect(model.graph!.initializer!.map(({ rawData }) => rawData!.buffer === file.buffer)).toEqual([true, true]);
  });

  test('cost a graph that has none nothing: its bytes are given back, and so is what is no graph', () => {
    const whole = writeModel(perceptron({ sizes: [3, 8, 2] }));
    expect(inlineExternalData(whole, none).bytes).toBe(whole);
    const other = Buffer.from('no model, whatever its location');
    expect(inlineExternalData(other, none).bytes).toBe(other);
  });
});
