import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkModel } from '../check-model.js';
import { metadataOf, readModel, writeModel } from '../model-codec.js';
import { AttributeType, DataType, int64, type ModelProto, type NodeProto } from '../onnx-types.js';
import { openModel } from '../runtime.js';
import { signatureOf } from '../signature.js';
import { halfOf, valueOfHalf } from './half.js';
import { measureModels } from './measure-models.js';
import type { Rows } from './model-rows.js';
import { OPTIMIZATION_METADATA, optimizeModel, type Optimized, type OptimizeStep } from './optimize-model.js';
import { classifier, perceptron, perceptronBytes } from '../testing.js';
import { quantize } from './quantize.js';
import { normals } from './random-rows.js';
import { floatTensor } from './tensor-values.js';

function rowsOf(columns: number, count: number, seed = 7): Rows[] {
  const random = normals(seed);
  return [{ name: 'x', datatype: 'FP32', shape: [count, columns], data: Float32Array.from({ length: count * columns }, random) }];
}

function optimized(bytes: Uint8Array, ...steps: OptimizeStep[]): Optimized {
  const outcome = optimizeModel(bytes, steps);
  if (outcome.kind === 'rejected') throw new Error(`${outcome.rejection.code}: ${outcome.rejection.message}`);
  return outcome;
}

function rejection(bytes: Uint8Array, ...steps: OptimizeStep[]): { code: string; message: string } | undefined {
  const outcome = optimizeModel(bytes, steps);
  return outcome.kind === 'rejected' ? outcome.rejection : undefined;
}

async function answers(bytes: Uint8Array, rows: readonly Rows[]): Promise<Record<string, number[]>> {
  const model = await openModel(bytes);
  const outputs = await model.run(rows);
  await model.close();
  return Object.fromEntries(outputs.map(({ name, data }) => [name, Array.from(data as ArrayLike<number | bigint>, Number)]));
}

const operators = (bytes: Uint8Array): string[] => (readModel(bytes).graph?.node ?? []).map((node) => node.opType ?? '');
const constants = (bytes: Uint8Array): string[] => (readModel(bytes).graph?.initializer ?? []).map((tensor) => tensor.name ?? '');
/** Of a spec nobody waits for; what a run takes is no test. */
const quick = { open: openModel, now: () => performance.now(), budgetMs: 0 };

const shape = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 4 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
  as: fc.constantFrom('gemm' as const, 'matmul' as const),
});

describe('every step', () => {
  const steps = fc.oneof(
    fc.record({
      pass: fc.constant('dynamic-int8' as const),
      perChannel: fc.boolean(),
      reduceRange: fc.boolean(),
      minElements: fc.constant(1),
    }),
    fc.record({
      pass: fc.constant('weights' as const),
      type: fc.constantFrom('int8' as const, 'fp16' as const),
      minElements: fc.constant(1),
    }),
    fc.record({ pass: fc.constant('prune' as const), keep: fc.double({ min: 0.1, max: 0.9, noNaN: true }) }),
  );
  test('gives a sound graph with the same signature that runs, and leaves its parent as it was', async () => {
    await fc.assert(
      fc.asyncProperty(shape, steps, async (options, step) => {
        const bytes = perceptronBytes(options);
        const before = Buffer.from(bytes).toString('hex');
        const outcome = optimizeModel(bytes, [step]);
        expect(Buffer.from(bytes).toString('hex')).toBe(before);
        // There is no hidden layer to prune, or none with more than one unit to give.
        if (outcome.kind === 'rejected')
          return expect([step.pass, outcome.rejection.code]).toEqual(['prune', 'MR_ONNX_NOTHING_TO_OPTIMIZE']);
        const model = readModel(outcome.bytes);
        expect(checkModel(model)).toEqual([]);
        expect(signatureOf(model)).toEqual(signatureOf(readModel(bytes)));
        expect(JSON.parse(metadataOf(model).get(OPTIMIZATION_METADATA) ?? '')).toEqual([step]);
        const { scores } = await answers(outcome.bytes, rowsOf(options.sizes[0]!, 3));
        expect(scores).toHaveLength(3 * options.sizes.at(-1)!);
        expect(scores!.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

describe('clean', () => {
  /** `y = x * w'`, with everything in it that has no part in the answer. */
  function untidy(): ModelProto {
    const node = (opType: string, input: string[], output: string[], attribute: NodeProto['attribute'] = []): NodeProto => ({
      ...{ opType, name: output[0]!, input, output },
      attribute,
    });
    const weights = Float32Array.of(1, 2, 3, 4, 5, 6);
    const model = perceptron({ sizes: [3, 2] });
    model.graph = {
      ...model.graph,
      initializer: [
        floatTensor('w', [2, 3], weights),
        floatTensor('same', [2, 3], weights),
        floatTensor('unused', [2], Float32Array.of(1, 2)),
        { name: 'flat', dims: [2], dataType: DataType.INT64, int64Data: [1, -1] },
      ],
      node: [
        node('Identity', ['x'], ['x2']),
        node('Dropout', ['x2'], ['x3']),
        node('Transpose', ['w'], ['wt'], [{ name: 'perm', type: AttributeType.INTS, ints: [1, 0] }]),
        node('Transpose', ['same'], ['wt2']),
        node(
          'Constant',
          [],
          ['half'],
          [{ name: 'value', type: AttributeType.TENSOR, t: floatTensor('', [2], Float32Array.of(0.5, 0.25)) }],
        ),
        node('Reshape', ['half', 'flat'], ['row']),
        node('MatMul', ['x3', 'wt'], ['p']),
        node('MatMul', ['x3', 'wt2'], ['q']),
        node('Exp', ['q'], ['dead']),
        node('Add', ['p', 'q'], ['sum']),
        node('Add', ['sum', 'row'], ['z']),
        node('Identity', ['z'], ['scores']),
      ],
      valueInfo: [{ name: 'dead', type: { tensorType: { elemType: DataType.FLOAT } } }],
    };
    return model;
  }

  test('takes away what has no part in the answer, which stays the same bit for bit', async () => {
    const bytes = writeModel(untidy());
    const { bytes: clean, changes } = optimized(bytes, { pass: 'clean' });
    expect(operators(clean)).toEqual(['MatMul', 'MatMul', 'Add', 'Add']);
    expect(constants(clean).sort()).toEqual(['row', 'wt']);
    expect(readModel(clean).graph?.valueInfo).toEqual([]);
    expect(changes).toHaveLength(1);
    const rows = rowsOf(3, 5);
    expect(await answers(clean, rows)).toEqual(await answers(bytes, rows));
    expect(rejection(clean, { pass: 'clean' })).toMatchObject({
      code: 'MR_ONNX_NOTHING_TO_OPTIMIZE',
      message: 'clean: the graph is clean already',
    });
  });

  test('keeps an identity between an input and an output, and what a subgraph reads', async () => {
    const model = untidy();
    const branch = (name: string, from: string) => ({
      name,
      node: [{ opType: 'Identity', name: `${name}_node`, input: [from], output: [`${name}_out`] }],
      output: [{ name: `${name}_out`, type: { tensorType: { elemType: DataType.FLOAT } } }],
    });
    model.graph!.node!.splice(-1, 1, {
      ...{ opType: 'If', name: 'choose', input: ['yes'], output: ['scores'] },
      attribute: [
        { name: 'then_branch', type: AttributeType.GRAPH, g: branch('then', 'z') },
        { name: 'else_branch', type: AttributeType.GRAPH, g: branch('else', 'dead') },
      ],
    });
    model.graph!.initializer!.push({ name: 'yes', dims: [], dataType: DataType.BOOL, int32Data: [1] });
    model.graph!.node!.push({ opType: 'Identity', name: 'through', input: ['x'], output: ['copy'] });
    model.graph!.output!.push({ ...model.graph!.input![0]!, name: 'copy' });
    const bytes = writeModel(model);
    const { bytes: clean } = optimized(bytes, { pass: 'clean' });
    expect(operators(clean)).toEqual(['MatMul', 'MatMul', 'Exp', 'Add', 'Add', 'If', 'Identity']);
    const rows = rowsOf(3, 4);
    expect(await answers(clean, rows)).toEqual(await answers(bytes, rows));
  });

  test('a constant that is read as it is, too, is not turned into a second one', () => {
    const model = untidy();
    model.graph!.node!.splice(6, 0, { opType: 'Gather', name: 'row0', input: ['w', 'flat'], output: ['rows'] });
    model.graph!.output!.push({ name: 'rows', type: { tensorType: { elemType: DataType.FLOAT } } });
    const { bytes } = optimized(writeModel(model), { pass: 'clean' });
    expect(operators(bytes)).toContain('Transpose');
  });

  test('weights among the inputs, as IR version 3 has them, become constants', async () => {
    const model = untidy();
    model.irVersion = 3;
    for (const tensor of model.graph!.initializer!) {
      const dim = tensor.dims!.map((size) => ({ dimValue: size }));
      model.graph!.input!.push({ name: tensor.name!, type: { tensorType: { elemType: tensor.dataType!, shape: { dim } } } });
    }
    const bytes = writeModel(model);
    const { bytes: clean } = optimized(bytes, { pass: 'clean' });
    expect(int64(readModel(clean).irVersion)).toBe(4n);
    expect(readModel(clean).graph?.input?.map(({ name }) => name)).toEqual(['x']);
    const rows = rowsOf(3, 4);
    expect(await answers(clean, rows)).toEqual(await answers(bytes, rows));
  });
});

describe('dynamic int8', () => {
  test('quantizes an activation once, and is written as Python writes it', () => {
    const model = perceptron({ sizes: [40, 40] });
    model.graph!.node!.push({ opType: 'MatMul', name: 'other', input: ['x', 'm'], output: ['more'] });
    model.graph!.initializer!.push(floatTensor('m', [40, 40], new Float32Array(1600).fill(0.5)));
    model.graph!.output!.push({ ...model.graph!.output![0]!, name: 'more' });
    const { bytes, changes } = optimized(writeModel(model), { pass: 'dynamic-int8' });
    expect(operators(bytes)).toEqual([
      ...['DynamicQuantizeLinear', 'MatMulInteger', 'Cast', 'Mul', 'Mul', 'Add'],
      ...['MatMulInteger', 'Cast', 'Mul', 'Mul'],
    ]);
    expect(changes).toEqual(['dynamic-int8: w0, m']);
    expect(constants(bytes)).not.toContain('w0');
  });

  test('alpha, beta and a turned matrix of a Gemm are worked in', async () => {
    const model = perceptron({ sizes: [40, 40] });
    model.graph!.node![0]!.attribute!.push(
      { name: 'alpha', type: AttributeType.FLOAT, f: 0.5 },
      { name: 'beta', type: AttributeType.FLOAT, f: -2 },
    );
    const bytes = writeModel(model);
    const measured = await measureModels(bytes, optimized(bytes, { pass: 'dynamic-int8', perChannel: true }).bytes, rowsOf(40, 64), quick);
    expect(measured.relativeError).toBeLessThan(0.04);
  });

  test('integers and scale bound the error of a weight; zero is exact', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 50 }),
        fc.boolean(),
        (list, isNarrow) => {
          const values = Float32Array.from([...list, 0]);
          const levels = isNarrow ? 63 : 127;
          const { values: integers, scales } = quantize(values, 1, () => 0, levels)!;
          const scale = scales[0]!;
          expect(integers.at(-1)).toBe(0);
          for (const [index, value] of values.entries()) {
            expect(Math.abs(integers[index]!)).toBeLessThanOrEqual(levels);
            expect(Math.abs(integers[index]! * scale - value)).toBeLessThanOrEqual(scale * 0.5001);
          }
        },
      ),
    );
    expect(quantize(Float32Array.of(1, NaN), 1, () => 0, 127)).toBeUndefined();
  });

  test('at most 0.3 times the size, and 99 % of the labels', async () => {
    const { bytes, rows } = classifier({ sizes: [64, 256, 256, 10], rows: 512, noise: 0.7 });
    for (const perChannel of [false, true]) {
      const measured = await measureModels(bytes, optimized(bytes, { pass: 'dynamic-int8', perChannel }).bytes, rows, quick);
      expect(measured.sizeRatio).toBeLessThanOrEqual(0.3);
      expect(measured.labelBy).toBe('label');
      expect(measured.agreement).toBeGreaterThanOrEqual(0.99);
    }
  });
});

describe('weights', () => {
  test.each([
    ['int8', 0.3, 0.02],
    ['fp16', 0.55, 0.002],
  ] as const)('%s: smaller, and close', async (type, size, error) => {
    for (const as of ['gemm', 'matmul'] as const) {
      const bytes = perceptronBytes({ sizes: [64, 128, 64, 5], as });
      const measured = await measureModels(
        bytes,
        optimized(bytes, { pass: 'weights', type, minElements: 100 }).bytes,
        rowsOf(64, 64),
        quick,
      );
      expect(measured.sizeRatio).toBeLessThanOrEqual(size);
      expect(measured.relativeError).toBeLessThan(error);
    }
  });

  test('what 16 bits cannot hold stays as it is', () => {
    const model = perceptron({ sizes: [40, 40, 40] });
    const values = new Float32Array(1600).fill(1);
    values[7] = 70_000;
    model.graph!.initializer![2] = floatTensor('w1', [40, 40], values);
    expect(optimized(writeModel(model), { pass: 'weights', type: 'fp16' }).changes).toEqual(['weights: w0 kept as fp16']);
  });

  test('every 16-bit float is itself, and the nearest one is taken', () => {
    const others = Array.from({ length: 0x10000 }, (_, half) => half).filter((half) => {
      const value = valueOfHalf(half);
      return !Number.isNaN(value) && halfOf(value) !== half;
    });
    expect(others).toEqual([]);
    expect(Number.isNaN(valueOfHalf(halfOf(NaN)))).toBe(true);
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const half = halfOf(value);
        const error = Math.abs(valueOfHalf(half) - value);
        for (const other of [half - 1, half + 1]) {
          const neighbour = valueOfHalf(other & 0xffff);
          if (Number.isFinite(neighbour) && neighbour * value >= 0) expect(error).toBeLessThanOrEqual(Math.abs(neighbour - value));
        }
      }),
    );
  });
});

describe('prune', () => {
  test('units that do nothing go first: the answers stay', async () => {
    for (const as of ['gemm', 'matmul'] as const) {
      const model = perceptron({ sizes: [8, 16, 12, 3], as });
      // Every other unit of the first hidden layer gives what the next layer multiplies by zero.
      const next = model.graph!.initializer!.find(({ name }) => name === 'w1')!;
      const values = new Float32Array(Uint8Array.from(next.rawData!).buffer);
      for (const index of values.keys()) if ((as === 'gemm' ? index % 16 : Math.floor(index / 12)) % 2 === 1) values[index] = 0;
      next.rawData = new Uint8Array(values.buffer);
      model.graph!.node = model
        .graph!.node!.filter(({ name }) => name !== 'relu1')
        .map((node) => ({
          ...node,
          input: node.input!.map((name) => (name === 'hidden1' ? 'sum1' : name)),
        }));
      // The second hidden layer leads to two places, so it stays whole.
      model.graph!.output!.push({ ...model.graph!.output![0]!, name: 'sum1', type: { tensorType: { elemType: DataType.FLOAT } } });
      const bytes = writeModel(model);
      const { bytes: pruned, changes } = optimized(bytes, { pass: 'prune', keep: 0.5 });
      expect(changes).toEqual(['prune: 8 of 16 units of layer0']);
      const [before, after] = [await answers(bytes, rowsOf(8, 10)), await answers(pruned, rowsOf(8, 10))];
      before['scores']!.forEach((value, index) => expect(after['scores']![index]).toBeCloseTo(value, 4));
    }
  });

  test('what treats every unit by itself is cut along', async () => {
    const model = perceptron({ sizes: [8, 16, 3] });
    const units = (name: string, value: number) => floatTensor(name, [16], new Float32Array(16).fill(value));
    model.graph!.initializer!.push(units('scale', 2), units('shift', 1), units('mean', 0.5), units('variance', 4), units('slope', 0.1));
    model.graph!.initializer!.push(floatTensor('two', [], Float32Array.of(2)));
    const shape = { dim: [{ dimParam: 'N' }, { dimValue: 16 }] };
    model.graph!.valueInfo = [{ name: 'sum0', type: { tensorType: { elemType: DataType.FLOAT, shape } } }];
    const node = (opType: string, input: string[], output: string): NodeProto => ({ opType, name: output, input, output: [output] });
    model.graph!.node!.splice(
      1,
      1,
      node('BatchNormalization', ['sum0', 'scale', 'shift', 'mean', 'variance'], 'normal'),
      node('PRelu', ['normal', 'slope'], 'bent'),
      node('Mul', ['bent', 'two'], 'hidden0'),
    );
    const { bytes, changes } = optimized(writeModel(model), { pass: 'prune', keep: 0.25 });
    expect(changes).toEqual(['prune: 4 of 16 units of layer0']);
    expect((await answers(bytes, rowsOf(8, 2)))['scores']).toHaveLength(6);
    const kept = readModel(bytes).graph!.initializer!.map(({ name, dims }) => [name, dims!.map((dim) => Number(int64(dim)))]);
    expect(new Map(kept as [string, number[]][]).get('variance_kept')).toEqual([4]);
  });

  test('a share that is none is a mistake of the caller', () => {
    expect(() => optimizeModel(perceptronBytes({ sizes: [4, 4, 2] }), [{ pass: 'prune', keep: 1 }])).toThrow('between 0 and 1');
  });
});

describe('what is refused', () => {
  test('an ensemble of trees, with the reason', () => {
    const model = perceptron({ sizes: [4, 2] });
    const tree: NodeProto = { opType: 'TreeEnsembleRegressor', domain: 'ai.onnx.ml', name: 'trees', input: ['x'], output: ['scores'] };
    model.graph = { ...model.graph, node: [tree], initializer: [] };
    model.opsetImport!.push({ domain: 'ai.onnx.ml', version: 3 });
    for (const step of [{ pass: 'dynamic-int8' }, { pass: 'weights', type: 'fp16' }, { pass: 'prune', keep: 0.5 }] as const) {
      expect(rejection(writeModel(model), step)).toMatchObject({
        code: 'MR_ONNX_TREE_ENSEMBLE',
        message: expect.stringContaining('compare with thresholds'),
      });
    }
  });

  test('an old operator set, small matrices, an unsound graph', () => {
    const old = perceptron({ sizes: [40, 40] });
    old.opsetImport![0]!.version = 10;
    expect(rejection(writeModel(old), { pass: 'dynamic-int8' })).toMatchObject({
      code: 'MR_ONNX_OPSET_TOO_OLD',
      message:
        'dynamic-int8 needs operator set 11, the model has 10; export it with a newer one: skl2onnx takes target_opset=17, torch.onnx.export opset_version=17',
    });
    expect(rejection(perceptronBytes({ sizes: [10, 10] }), { pass: 'dynamic-int8' })).toMatchObject({
      code: 'MR_ONNX_NOTHING_TO_OPTIMIZE',
    });
    const unsound = perceptron({ sizes: [40, 40] });
    unsound.graph!.node![0]!.input![0] = 'nothing';
    expect(rejection(writeModel(unsound), { pass: 'clean' })).toMatchObject({ code: 'MR_ONNX_UNSOUND' });
  });
});

test('weights that are no 32-bit floats are the reason why there is nothing to do', () => {
  const doubles = perceptron({ sizes: [40, 40] });
  const [weights] = doubles.graph?.initializer ?? [];
  if (weights) Object.assign(weights, { dataType: DataType.DOUBLE, rawData: new Uint8Array(8 * 40 * 40) });
  for (const step of [{ pass: 'weights', type: 'int8' }, { pass: 'dynamic-int8' }, { pass: 'prune', keep: 0.5 }] as const)
    expect(rejection(writeModel(doubles), step)?.message).toBe(
      `${step.pass}: the model's weights are 64-bit floats ("w0"), and only 32-bit floats are worked on; export the model with float32 inputs and weights first`,
    );
});
