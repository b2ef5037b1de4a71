import { writeModel } from './model-codec.js';
import { AttributeType, DataType, type ModelProto, type NodeProto, type TensorProto, type ValueInfoProto } from './onnx-types.js';

/** Metadata entry that names a model's input columns in order (a JSON list): how the gateway turns features into the tensor. */
export const FEATURES_METADATA = 'millrace.features';

/** A binary classifier: probability = sigmoid(bias + sum(weights * (x - mean) / scale) + sum(missingWeights * isMissing(x))). */
export interface LogisticRegression {
  /** Column names, in the order of the other lists. */
  readonly features: readonly string[];
  readonly weights: readonly number[];
  readonly bias: number;
  readonly mean: readonly number[];
  readonly scale: readonly number[];
  /** What a missing value (NaN) of a column adds; zeros when absent. The value itself counts as the column's mean. */
  readonly missingWeights?: readonly number[];
  /** Probability from which on the label is 1; 0.5 when absent. */
  readonly threshold?: number;
}

/**
 * The classifier as an ONNX model. One input `input`, FP32 [N, columns], NaN where a value is missing: one tensor is what inference clients
 * send with the least ceremony. Outputs: `probability` FP32 [N, 1] and `label` INT64 [N]. Standardisation and the
 * handling of missing values are inside the graph, so they cannot differ between training and serving.
 */
export function logisticRegression(model: LogisticRegression): Uint8Array {
  return writeModel(logisticRegressionModel(model));
}

export function logisticRegressionModel(model: LogisticRegression): ModelProto {
  const columns = model.features.length;
  for (const [name, list] of Object.entries({ weights: model.weights, mean: model.mean, scale: model.scale })) {
    if (list.length !== columns) throw new RangeError(`${name} has ${list.length} entries for ${columns} features`);
    if (!list.every(Number.isFinite)) throw new RangeError(`${name} holds a value that is not finite`);
  }
  if (model.scale.includes(0)) throw new RangeError('scale holds a zero');
  const missingWeights = model.missingWeights ?? model.weights.map(() => 0);
  return {
    irVersion: 8,
    producerName: 'millrace',
    opsetImport: [{ domain: '', version: 17 }],
    metadataProps: [{ key: FEATURES_METADATA, value: JSON.stringify(model.features) }],
    graph: {
      name: 'logistic_regression',
      input: [value('input', DataType.FLOAT, ['N', columns])],
      output: [value('probability', DataType.FLOAT, ['N', 1]), value('label', DataType.INT64, ['N'])],
      initializer: [
        floats('mean', [columns], model.mean),
        floats('scale', [columns], model.scale),
        floats('weights', [columns, 1], model.weights),
        floats('missing_weights', [columns, 1], missingWeights),
        floats('bias', [1], [model.bias]),
        floats('threshold', [], [model.threshold ?? 0.5]),
        { name: 'column_axis', dims: [1], dataType: DataType.INT64, int64Data: [1] },
      ],
      node: [
        node('IsNaN', ['input'], 'missing'),
        node('Where', ['missing', 'mean', 'input'], 'filled'),
        node('Sub', ['filled', 'mean'], 'centred'),
        node('Div', ['centred', 'scale'], 'standardised'),
        { ...node('Cast', ['missing'], 'indicator'), attribute: [{ name: 'to', type: AttributeType.INT, i: DataType.FLOAT }] },
        node('MatMul', ['standardised', 'weights'], 'present_part'),
        node('MatMul', ['indicator', 'missing_weights'], 'missing_part'),
        node('Add', ['present_part', 'missing_part'], 'weighted'),
        node('Add', ['weighted', 'bias'], 'logit'),
        node('Sigmoid', ['logit'], 'probability'),
        node('GreaterOrEqual', ['probability', 'threshold'], 'positive'),
        { ...node('Cast', ['positive'], 'label_column'), attribute: [{ name: 'to', type: AttributeType.INT, i: DataType.INT64 }] },
        node('Squeeze', ['label_column', 'column_axis'], 'label'),
      ],
    },
  };
}

function node(opType: string, input: string[], output: string): NodeProto {
  return { opType, name: output, input, output: [output] };
}

function value(name: string, elemType: number, shape: readonly (string | number)[]): ValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

function floats(name: string, dims: number[], data: readonly number[]): TensorProto {
  return { name, dims, dataType: DataType.FLOAT, floatData: [...data] };
}
