import { AttributeType, DataType, type ModelProto, type NodeProto, type TensorProto } from './onnx-types.js';
import { readModel, writeModel } from './model-codec.js';
import type { Rows } from './optimize/model-rows.js';
import { normals } from './optimize/random-rows.js';
import { floatsOf, floatTensor } from './optimize/tensor-values.js';

export { boostedTrees, type BoostedTreesOptions } from './boosted-trees.js';

/** Models and rows for tests and benchmarks: `@millrace/onnx/testing`. */
export interface PerceptronOptions {
  /** Columns in, units of each hidden layer, columns out. */
  readonly sizes: readonly number[];
  readonly seed?: number;
  /** Whether a layer is a Gemm with turned weights, as PyTorch exports it, or a MatMul and an Add. */
  readonly as?: 'gemm' | 'matmul';
  /** `softmax` gives probabilities and a label. */
  readonly head?: 'softmax' | 'none';
}

/** A multi-layer perceptron with random weights as large as a trained one's begin, for tests and benchmarks. Input `x`, output `scores` (and `label`). */
export function perceptron({ sizes, seed = 1, as = 'gemm', head = 'none' }: PerceptronOptions): ModelProto {
  const random = normals(seed);
  const nodes: NodeProto[] = [];
  const initializer: TensorProto[] = [];
  let value = 'x';
  for (let layer = 0; layer + 1 < sizes.length; layer++) {
    const [inputs, outputs] = [sizes[layer] as number, sizes[layer + 1] as number];
    const weights = Float32Array.from({ length: inputs * outputs }, () => random() * Math.sqrt(2 / inputs));
    const bias = Float32Array.from({ length: outputs }, () => random() * 0.1);
    initializer.push(floatTensor(`w${layer}`, as === 'gemm' ? [outputs, inputs] : [inputs, outputs], weights));
    initializer.push(floatTensor(`b${layer}`, [outputs], bias));
    const isLast = layer + 2 === sizes.length;
    const sum = isLast && head === 'none' ? 'scores' : `sum${layer}`;
    if (as === 'gemm') {
      const attribute = [{ name: 'transB', type: AttributeType.INT, i: 1 }];
      nodes.push({ opType: 'Gemm', name: `layer${layer}`, input: [value, `w${layer}`, `b${layer}`], output: [sum], attribute });
    } else {
      nodes.push({ opType: 'MatMul', name: `layer${layer}`, input: [value, `w${layer}`], output: [`product${layer}`] });
      nodes.push({ opType: 'Add', name: `add${layer}`, input: [`product${layer}`, `b${layer}`], output: [sum] });
    }
    if (!isLast) nodes.push({ opType: 'Relu', name: `relu${layer}`, input: [sum], output: [`hidden${layer}`] });
    value = isLast ? sum : `hidden${layer}`;
  }
  if (head === 'softmax') {
    const axis = (at: number, more: { name: string; i: number }[] = []) =>
      [{ name: 'axis', i: at }, ...more].map((attribute) => ({ ...attribute, type: AttributeType.INT }));
    nodes.push({ opType: 'Softmax', name: 'softmax', input: [value], output: ['scores'], attribute: axis(-1) });
    nodes.push({ opType: 'ArgMax', name: 'argmax', input: [value], output: ['label'], attribute: axis(1, [{ name: 'keepdims', i: 0 }]) });
  }
  const [columns, classes] = [sizes[0] as number, sizes.at(-1) as number];
  const tensor = (name: string, elemType: number, width: readonly number[]) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: [{ dimParam: 'N' }, ...width.map((dimValue) => ({ dimValue }))] } } },
  });
  return {
    irVersion: 8,
    producerName: 'millrace',
    opsetImport: [{ domain: '', version: 13 }],
    graph: {
      name: 'perceptron',
      node: nodes,
      initializer,
      input: [tensor('x', DataType.FLOAT, [columns])],
      output: [tensor('scores', DataType.FLOAT, [classes]), ...(head === 'softmax' ? [tensor('label', DataType.INT64, [])] : [])],
    },
  };
}

export function perceptronBytes(options: PerceptronOptions): Uint8Array {
  return writeModel(perceptron(options));
}

/** A graph with its weights in a file beside it, one after the other, as MLflow writes it. */
export function moveWeightsOut(bytes: Uint8Array, location: string): { readonly graph: Uint8Array; readonly file: Uint8Array } {
  const model = readModel(bytes);
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const tensor of model.graph?.initializer ?? []) {
    const { rawData } = tensor;
    if (!rawData || rawData.length === 0) continue;
    const entries = { location, offset: String(offset), length: String(rawData.length) };
    tensor.externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
    tensor.dataLocation = 1;
    delete tensor.rawData;
    parts.push(rawData);
    offset += rawData.length;
  }
  return { graph: writeModel(model), file: Buffer.concat(parts) };
}

/** Rows of a class its mean is taken of. */
const SAMPLE = 10;

export interface Classifier {
  readonly bytes: Uint8Array;
  readonly rows: readonly Rows[];
  /** The class each row is of. */
  readonly classes: readonly number[];
}

/**
 * A perceptron that knows something: rows are of classes, each around a point of its own, and the last layer finds the class whose mean of hidden values is nearest. A network
 * with random weights throughout would be undecided on many rows, and agreement of two undecided networks says little.
 */
export function classifier(options: Omit<PerceptronOptions, 'head'> & { readonly rows: number; readonly noise: number }): Classifier {
  const { sizes, seed = 1, rows, noise } = options;
  const [columns, hidden, classes] = [sizes[0] as number, sizes.at(-2) as number, sizes.at(-1) as number];
  const model = perceptron({ ...options, head: 'softmax' });
  const random = normals(seed + 1);
  const centres = Float32Array.from({ length: classes * columns }, random);
  const draw = (count: number): Float32Array =>
    Float32Array.from({ length: count * columns }, (_, index) => {
      const [row, column] = [Math.floor(index / columns), index % columns];
      return (centres[(row % classes) * columns + column] as number) + random() * noise;
    });
  const sample = draw(SAMPLE * classes);
  const means = new Float64Array(classes * hidden);
  for (let row = 0; row < SAMPLE * classes; row++) {
    const values = hiddenValues(model, sample.subarray(row * columns, (row + 1) * columns), options);
    for (let unit = 0; unit < hidden; unit++)
      means[(row % classes) * hidden + unit] = (means[(row % classes) * hidden + unit] as number) + (values[unit] as number) / SAMPLE;
  }
  const [weights, bias] = [new Float32Array(hidden * classes), new Float32Array(classes)];
  for (let unit = 0; unit < hidden; unit++) {
    let overall = 0;
    for (let one = 0; one < classes; one++) overall += (means[one * hidden + unit] as number) / classes;
    for (let one = 0; one < classes; one++) {
      const centred = (means[one * hidden + unit] as number) - overall;
      weights[options.as === 'matmul' ? unit * classes + one : one * hidden + unit] = centred;
      bias[one] = (bias[one] as number) - (centred * centred) / 2 - centred * overall;
    }
  }
  const last = sizes.length - 2;
  const dims = options.as === 'matmul' ? [hidden, classes] : [classes, hidden];
  const initializer = (model.graph?.initializer ?? []).map((tensor) => {
    if (tensor.name === `w${last}`) return floatTensor(`w${last}`, dims, weights);
    return tensor.name === `b${last}` ? floatTensor(`b${last}`, [classes], bias) : tensor;
  });
  return {
    bytes: writeModel({ ...model, graph: { ...model.graph, initializer } }),
    rows: [{ name: 'x', datatype: 'FP32', shape: [rows, columns], data: draw(rows) }],
    classes: Array.from({ length: rows }, (_, row) => row % classes),
  };
}

/** What the last hidden layer gives for one row. */
function hiddenValues(model: ModelProto, row: Float32Array, { sizes, as }: PerceptronOptions): Float32Array {
  let values = row;
  for (let layer = 0; layer + 2 < sizes.length; layer++) {
    const [inputs, outputs] = [sizes[layer] as number, sizes[layer + 1] as number];
    const [weights, bias] = ['w', 'b'].map((name) => floatsOf(model.graph?.initializer?.find((one) => one.name === `${name}${layer}`))) as [
      Float32Array,
      Float32Array,
    ];
    values = Float32Array.from({ length: outputs }, (_, unit) => {
      let sum = bias[unit] as number;
      for (let input = 0; input < inputs; input++) {
        sum += (values[input] as number) * (weights[as === 'matmul' ? input * outputs + unit : unit * inputs + input] as number);
      }
      return Math.max(0, sum);
    });
  }
  return values;
}
