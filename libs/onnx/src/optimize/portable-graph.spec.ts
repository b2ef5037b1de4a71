import { describe, expect, test } from '@jest/globals';
import { readModel, setMetadata, writeModel } from '../model-codec.js';
import { DataType, type ModelProto } from '../onnx-types.js';
import { float16Model } from '../sample-models.js';
import { perceptron } from '../testing.js';
import { portableGraph } from './portable-graph.js';

const SIZES = { sizes: [3, 4, 2] };
const changed = (change: (model: ModelProto) => void): Uint8Array => {
  const model = perceptron(SIZES);
  change(model);
  return writeModel(model);
};
const reason = (bytes: Uint8Array): string => {
  const outcome = portableGraph(bytes);
  return outcome.kind === 'rejected' ? outcome.rejection.message : 'portable';
};

describe('a graph for elsewhere', () => {
  test('has no ZipMap, says what it needs, and what its columns stand for', () => {
    const outcome = portableGraph(
      changed((model) => {
        const graph = model.graph!;
        graph.node!.at(-1)!.output = ['sums'];
        const attribute = [{ name: 'classlabels_int64s', type: 7, ints: [3, 8] }];
        graph.node!.push({ opType: 'ZipMap', domain: 'ai.onnx.ml', name: 'zip', input: ['sums'], output: ['scores'], attribute });
        model.opsetImport!.push({ domain: 'ai.onnx.ml', version: 3 });
        setMetadata(model, 'millrace.features', '["a","b","c"]');
      }),
    );
    expect(outcome).toMatchObject({
      ...{ kind: 'portable', columns: ['a', 'b', 'c'], classes: { scores: [3, 8] }, irVersion: 8 },
      opsets: { 'ai.onnx': 13, 'ai.onnx.ml': 3 },
      operators: ['Gemm', 'Relu'],
      changes: ['output scores: the ZipMap is taken off; it gives the tensor', expect.stringContaining('without a part in the answer')],
      signature: { outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 2] }], otherOutputs: [] },
    });
    const { bytes } = outcome as { bytes: Uint8Array };
    expect(readModel(bytes).graph!.node!.map(({ opType }) => opType)).toEqual(['Gemm', 'Relu', 'Gemm']);
  });

  test('takes and gives FP32 where it had half precision', () => {
    expect(portableGraph(float16Model())).toMatchObject({
      changes: ['x: half precision is widened to FP32', 'y: half precision is widened to FP32'],
      signature: { inputs: [{ name: 'x', datatype: 'FP32' }], outputs: [{ name: 'y', datatype: 'FP32' }] },
    });
  });

  test('is refused with the reason when it cannot be asked row by row there', () => {
    expect(reason(writeModel(perceptron(SIZES)))).toBe('portable');
    const rows = changed((model) => {
      model.graph!.input![0]!.type!.tensorType!.shape!.dim![0] = { dimValue: 8 };
    });
    expect(reason(rows)).toContain('input "x" has the shape [8, 3]; export the model with a free first dimension');
    const elsewhere = changed((model) => {
      model.graph!.initializer![0]!.externalData = [{ key: 'location', value: 'weights.bin' }];
    });
    expect(reason(elsewhere)).toContain('keeps its data in "weights.bin", which is not among the model\'s files or is too short');
    const map = changed((model) => {
      model.graph!.input!.push({ name: 'm', type: { mapType: { keyType: DataType.STRING, valueType: { tensorType: { elemType: 1 } } } } });
    });
    expect(reason(map)).toBe('input "m" is a map(BYTES,tensor(FP32)); only tensors can be given');
    const columns = changed((model) => setMetadata(model, 'millrace.features', '["a"]'));
    expect(reason(columns)).toBe('it names 1 columns in millrace.features and its input takes 3');
    const foreign = changed((model) => {
      model.graph!.node![0]!.domain = 'com.example';
      model.opsetImport!.push({ domain: 'com.example', version: 1 });
    });
    expect(reason(foreign)).toBe('operator Gemm is of domain com.example, whose operators do not come with the runtime');
  });
});
