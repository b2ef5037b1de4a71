import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import {
  AttributeType,
  checkModel,
  classesOf,
  DataType,
  int64,
  logisticRegression,
  logisticRegressionModel,
  metadataOf,
  readModel,
  setMetadata,
  signatureOf,
  stripZipMap,
  widenHalfPrecision,
  writeModel,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './index.js';
import { openModel } from './runtime.js';

const finite = fc.double({ min: -1e3, max: 1e3, noNaN: true });

const classifier = fc.integer({ min: 1, max: 8 }).chain((columns) => {
  const list = (item: fc.Arbitrary<number>): fc.Arbitrary<number[]> => fc.array(item, { minLength: columns, maxLength: columns });
  return fc.record({
    features: fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: columns, maxLength: columns }),
    weights: list(fc.double({ min: -3, max: 3, noNaN: true })),
    bias: fc.double({ min: -3, max: 3, noNaN: true }),
    mean: list(finite),
    scale: list(fc.double({ min: 0.1, max: 100, noNaN: true })),
    missingWeights: list(fc.double({ min: -3, max: 3, noNaN: true })),
    rows: fc.array(list(fc.oneof({ weight: 9, arbitrary: finite }, { weight: 1, arbitrary: fc.constant(NaN) })), {
      minLength: 1,
      maxLength: 5,
    }),
  });
});

/** A scikit-learn style classifier: LinearClassifier gives label and scores, a ZipMap turns the scores into a list of maps. */
function zipMapModel(): ModelProto {
  return {
    irVersion: 8,
    opsetImport: [{ domain: 'ai.onnx.ml', version: 1 }],
    graph: {
      name: 'sklearn',
      input: [{ name: 'X', type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimParam: 'N' }, { dimValue: 2 }] } } } }],
      output: [
        { name: 'output_label', type: { tensorType: { elemType: DataType.INT64, shape: { dim: [{ dimParam: 'N' }] } } } },
        {
          name: 'output_probability',
          type: {
            sequenceType: { elemType: { mapType: { keyType: DataType.INT64, valueType: { tensorType: { elemType: DataType.FLOAT } } } } },
          },
        },
      ],
      node: [
        {
          opType: 'LinearClassifier',
          domain: 'ai.onnx.ml',
          name: 'classifier',
          input: ['X'],
          output: ['output_label', 'scores'],
          attribute: [
            { name: 'coefficients', type: AttributeType.FLOATS, floats: [-1, -2, 1, 2] },
            { name: 'intercepts', type: AttributeType.FLOATS, floats: [0.5, -0.5] },
            { name: 'classlabels_ints', type: AttributeType.INTS, ints: [3, 7] },
            { name: 'multi_class', type: AttributeType.INT, i: 0 },
            { name: 'post_transform', type: AttributeType.STRING, s: new TextEncoder().encode('LOGISTIC') },
          ],
        },
        {
          opType: 'ZipMap',
          domain: 'ai.onnx.ml',
          name: 'ZipMap',
          input: ['scores'],
          output: ['output_probability'],
          attribute: [{ name: 'classlabels_int64s', type: AttributeType.INTS, ints: [3, 7] }],
        },
      ],
    },
  };
}

describe('reading and writing', () => {
  test('a model written, read and written again keeps its bytes', () => {
    fc.assert(
      fc.property(classifier, (model) => {
        const bytes = logisticRegression(model);
        expect(Buffer.from(writeModel(readModel(bytes)))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  test('64-bit integers keep every bit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const halves = { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: false };
        const model: ModelProto = { irVersion: 8, modelVersion: halves, graph: { name: 'g' } };
        expect(int64(readModel(writeModel(model)).modelVersion)).toBe(value);
      }),
    );
  });

  test('fields of a newer format survive a rewrite', () => {
    // Field 26 (device configurations, length-delimited) and an invented varint field 900 on the model; field 10 on a node.
    const known = Buffer.from(writeModel({ irVersion: 8, graph: { name: 'g', node: [] } }));
    const newer = Buffer.concat([known, Buffer.from([0xd2, 0x01, 0x03, 1, 2, 3]), Buffer.from([0xa0, 0x38, 0x2a])]);
    expect(Buffer.from(writeModel(readModel(newer)))).toEqual(newer);
  });

  test('what is not a model is refused with a reason', () => {
    expect(() => readModel(Buffer.from('<html>not found</html>'))).toThrow(expect.objectContaining({ code: 'MR_ONNX_UNREADABLE' }));
    expect(() => readModel(new Uint8Array())).toThrow(/hold no graph/);
  });

  test('metadata is read and set', () => {
    const model = readModel(logisticRegression({ features: ['a', 'b'], weights: [1, 2], bias: 0, mean: [0, 0], scale: [1, 1] }));
    expect(metadataOf(model).get('millrace.features')).toBe('["a","b"]');
    setMetadata(model, 'millrace.features', '["b","a"]');
    expect(metadataOf(readModel(writeModel(model))).get('millrace.features')).toBe('["b","a"]');
  });
});

describe('signature', () => {
  test('names, datatypes and shapes; initializers are not inputs', () => {
    const model = logisticRegressionModel({ features: ['a', 'b'], weights: [1, 2], bias: 0, mean: [0, 0], scale: [1, 1] });
    model.graph!.input!.push({ name: 'weights', type: { tensorType: { elemType: DataType.FLOAT } } });
    expect(signatureOf(model)).toEqual({
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [
        { name: 'probability', datatype: 'FP32', shape: [-1, 1] },
        { name: 'label', datatype: 'INT64', shape: [-1] },
      ],
      otherInputs: [],
      otherOutputs: [],
    });
  });

  test('what is not a tensor is told apart', () => {
    expect(signatureOf(zipMapModel()).otherOutputs).toEqual([{ name: 'output_probability', type: 'seq(map(INT64,tensor(FP32)))' }]);
  });
});

describe('checking', () => {
  const sound = (): ModelProto => logisticRegressionModel({ features: ['a'], weights: [1], bias: 0, mean: [0], scale: [1] });
  const codes = (model: ModelProto): string[] => checkModel(model).map((problem) => problem.code);

  test('a sound model has no problems', () => {
    expect(checkModel(sound())).toEqual([]);
    expect(checkModel(zipMapModel())).toEqual([]);
    // As skl2onnx writes it.
    const twice = sound();
    twice.opsetImport!.push({ ...twice.opsetImport![0] });
    expect(checkModel(twice)).toEqual([]);
  });

  test.each<[string, (model: ModelProto) => void, string]>([
    ['no opset', (model) => (model.opsetImport = []), 'OPSET'],
    ['two opsets of one domain', (model) => model.opsetImport!.push({ ...model.opsetImport![0], version: 1234 }), 'OPSET'],
    ['a foreign domain', (model) => (model.graph!.node![0]!.domain = 'com.example'), 'OPSET'],
    ['nodes out of order', (model) => model.graph!.node!.reverse(), 'UNDEFINED_VALUE'],
    [
      'a value made twice',
      (model) => model.graph!.node!.push({ opType: 'Identity', input: ['input'], output: ['label'] }),
      'DUPLICATE_VALUE',
    ],
    ['an output nobody makes', (model) => model.graph!.output!.push({ name: 'absent' }), 'OUTPUT'],
    [
      'short raw data',
      (model) => model.graph!.initializer!.push({ name: 'w', dims: [3], dataType: 1, rawData: new Uint8Array(8) }),
      'TENSOR',
    ],
    [
      'data in another file',
      (model) =>
        model.graph!.initializer!.push({
          name: 'w',
          dims: [3],
          dataType: 1,
          dataLocation: 1,
          externalData: [{ key: 'location', value: 'w.bin' }],
        }),
      'EXTERNAL_DATA',
    ],
  ])('%s is a problem', (_name, spoil, code) => {
    const model = sound();
    spoil(model);
    expect(codes(model)).toContain(code);
  });

  const elsewhere = { name: 'w', dims: [3], dataType: 1, dataLocation: 1, externalData: [{ key: 'location', value: '../w.bin' }] };
  const sparse = { values: elsewhere, indices: { dims: [3], dataType: DataType.INT64, int64Data: [0, 1, 2] }, dims: [3] };
  const constant = (attribute: object): NodeProto => ({ opType: 'Constant', output: ['w'], attribute: [{ name: 'value', ...attribute }] });
  test.each<[string, (model: ModelProto) => void]>([
    ['a sparse initializer', (model) => (model.graph!.sparseInitializer = [sparse])],
    ['a function', (model) => (model.functions = [{ name: 'F', domain: 'my', node: [constant({ t: elsewhere })] }])],
    ['a list of tensors', (model) => model.graph!.node!.push(constant({ tensors: [elsewhere] }))],
    ['a sparse attribute', (model) => model.graph!.node!.push(constant({ sparseTensor: sparse }))],
  ])('data that %s keeps in another file is found, which the runtime would read', (_where, spoil) => {
    const model = sound();
    spoil(model);
    const [problem] = checkModel(readModel(writeModel(model)));
    expect(problem).toMatchObject({
      code: 'EXTERNAL_DATA',
      message: expect.stringMatching(/^model.*tensor "w" keeps its data in "..\/w.bin"/),
    });
  });

  test('messages name the node and the value', () => {
    const model = sound();
    model.graph!.node![1]!.input = ['missing', 'meen', 'input'];
    expect(checkModel(model)[0]?.message).toBe('graph: node "filled" (Where, number 1) reads "meen", which nothing before it makes');
  });
});

describe('in onnxruntime', () => {
  test('logistic regression gives the numbers of the formula', async () => {
    await fc.assert(
      fc.asyncProperty(classifier, async (model) => {
        const session = await InferenceSession.create(logisticRegression(model));
        const columns = model.features.length;
        const input = new Tensor('float32', Float32Array.from(model.rows.flat()), [model.rows.length, columns]);
        const result = await session.run({ input });
        const probability = result['probability']!;
        expect(probability.dims).toEqual([model.rows.length, 1]);
        expect(result['label']!.dims).toEqual([model.rows.length]);
        for (const [index, row] of model.rows.entries()) {
          let logit = model.bias;
          let magnitude = 1;
          for (let column = 0; column < columns; column++) {
            const x = row[column]!;
            const term = Number.isNaN(x)
              ? model.missingWeights[column]!
              : (model.weights[column]! * (x - model.mean[column]!)) / model.scale[column]!;
            logit += term;
            magnitude += Math.abs(term) + Math.abs((model.weights[column]! * x) / model.scale[column]! || 0);
          }
          const expected = 1 / (1 + Math.exp(-logit));
          // float32 keeps 24 bits of each term, and sigmoid's slope is at most 1/4.
          const tolerance = magnitude * 4 * columns * 2 ** -24 + 1e-6;
          expect(Math.abs((probability.data[index] as number) - expected)).toBeLessThan(tolerance);
          expect(result['label']!.data[index]).toBe((probability.data[index] as number) >= 0.5 ? 1n : 0n);
        }
        await session.release();
      }),
      { numRuns: 40 },
    );
  });

  test('a model with a ZipMap runs once it is stripped, and its classes are kept', async () => {
    const model = zipMapModel();
    expect(stripZipMap(model)).toEqual(['output_probability']);
    expect(checkModel(model)).toEqual([]);
    expect(classesOf(model, 'output_probability')).toEqual([3, 7]);
    expect(signatureOf(model).outputs[1]).toEqual({ name: 'output_probability', datatype: 'FP32', shape: [-1, 2] });
    const session = await InferenceSession.create(writeModel(model));
    const result = await session.run({ X: new Tensor('float32', [1, 1, -1, -1], [2, 2]) });
    expect([...result['output_label']!.data]).toEqual([7n, 3n]);
    expect(result['output_probability']!.dims).toEqual([2, 2]);
    expect(stripZipMap(model)).toEqual([]);
    await session.release();
  });

  test('a model is measured with what its ZipMap is made of: probabilities that differ are found', async () => {
    const opened = await openModel(writeModel(zipMapModel()));
    const rows = [{ name: 'X', datatype: 'FP32', shape: [2, 2], data: Float32Array.of(1, 1, -1, -1) } as const];
    const outputs = await opened.run(rows);
    await opened.close();
    expect(outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }))).toEqual([
      { name: 'output_label', datatype: 'INT64', shape: [2] },
      { name: 'output_probability', datatype: 'FP32', shape: [2, 2] },
    ]);
  });

  describe('FP16 inputs and outputs', () => {
    const half = (name: string): ValueInfoProto => ({
      name,
      type: { tensorType: { elemType: DataType.FLOAT16, shape: { dim: [{ dimParam: 'N' }] } } },
    });
    const one: TensorProto = { name: 'one', dims: [1], dataType: DataType.FLOAT16, rawData: Uint8Array.of(0x00, 0x3c) };
    const flag: ValueInfoProto = { name: 'flag', type: { tensorType: { elemType: DataType.BOOL, shape: { dim: [] } } } };
    const modelOf = (graph: GraphProto): ModelProto => ({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph });
    const node = (opType: string, input: string[], output: string): NodeProto => ({ opType, name: output, input, output: [output] });

    test('become FP32 under the same names, also where a subgraph reads them or one is handed through', async () => {
      const branch = (name: string, last: NodeProto): AttributeProto => ({
        ...{ name, type: AttributeType.GRAPH },
        g: { name, node: [last], output: [half(`${name}_out`)] },
      });
      const model = modelOf({
        name: 'halves',
        input: [half('x'), flag],
        output: [half('y'), half('x'), half('one'), half('z')],
        initializer: [one],
        node: [
          {
            ...node('If', ['flag'], 'y'),
            attribute: [
              branch('then_branch', node('Add', ['x', 'one'], 'then_branch_out')),
              branch('else_branch', node('Sub', ['x', 'one'], 'else_branch_out')),
            ],
          },
          node('Add', ['y', 'one'], 'z'),
        ],
      });
      expect(widenHalfPrecision(model)).toEqual(['x', 'y', 'one', 'z']);
      expect(checkModel(model)).toEqual([]);
      expect(signatureOf(model).outputs.map(({ name, datatype }) => [name, datatype])).toEqual([
        ['y', 'FP32'],
        ['x', 'FP32'],
        ['one', 'FP32'],
        ['z', 'FP32'],
      ]);
      const session = await InferenceSession.create(writeModel(model));
      for (const [positive, expected] of [
        [1, [2.5, -1]],
        [0, [0.5, -3]],
      ] as const) {
        const result = await session.run({
          x: new Tensor('float32', [1.5, -2], [2]),
          flag: new Tensor('bool', Uint8Array.of(positive), []),
        });
        expect([...result['y']!.data]).toEqual(expected);
        expect([...result['z']!.data]).toEqual(expected.map((value) => value + 1));
        expect([...result['x']!.data]).toEqual([1.5, -2]);
        expect([...result['one']!.data]).toEqual([1]);
      }
      await session.release();
      expect(widenHalfPrecision(model)).toEqual([]);
    });
  });
});
