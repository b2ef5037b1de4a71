import { AttributeType, DataType, FEATURES_METADATA, writeModel, type AttributeProto } from '@millrace/onnx';

const ints = (name: string, values: readonly number[]): AttributeProto => ({ name, type: AttributeType.INTS, ints: [...values] });
const floats = (name: string, values: readonly number[]): AttributeProto => ({ name, type: AttributeType.FLOATS, floats: [...values] });
const strings = (name: string, values: readonly string[]): AttributeProto => ({
  name,
  type: AttributeType.STRINGS,
  strings: values.map((value) => new TextEncoder().encode(value)),
});

/**
 * A small tree as scikit-learn's converter writes it: named columns, a label of text, and probabilities behind a ZipMap. `late` where the distance is over 500 and
 * the mean delay over 10.
 */
export function sampleTrees(): Uint8Array {
  const classes = strings('classlabels_strings', ['early', 'late']);
  return writeModel({
    irVersion: 8,
    opsetImport: [
      { domain: '', version: 17 },
      { domain: 'ai.onnx.ml', version: 3 },
    ],
    metadataProps: [{ key: FEATURES_METADATA, value: '["distance","delay_mean_6h"]' }],
    graph: {
      name: 'trees',
      input: [{ name: 'input', type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimParam: 'N' }, { dimValue: 2 }] } } } }],
      output: [
        { name: 'label', type: { tensorType: { elemType: DataType.STRING, shape: { dim: [{ dimParam: 'N' }] } } } },
        {
          name: 'probabilities',
          type: {
            sequenceType: { elemType: { mapType: { keyType: DataType.STRING, valueType: { tensorType: { elemType: DataType.FLOAT } } } } },
          },
        },
      ],
      node: [
        {
          opType: 'TreeEnsembleClassifier',
          domain: 'ai.onnx.ml',
          name: 'trees',
          input: ['input'],
          output: ['label', 'scores'],
          attribute: [
            classes,
            ints('nodes_treeids', [0, 0, 0, 0, 0]),
            ints('nodes_nodeids', [0, 1, 2, 3, 4]),
            ints('nodes_featureids', [0, 0, 1, 0, 0]),
            strings('nodes_modes', ['BRANCH_LEQ', 'LEAF', 'BRANCH_LEQ', 'LEAF', 'LEAF']),
            floats('nodes_values', [500, 0, 10, 0, 0]),
            ints('nodes_truenodeids', [1, 0, 3, 0, 0]),
            ints('nodes_falsenodeids', [2, 0, 4, 0, 0]),
            ints('class_treeids', [0, 0, 0, 0, 0, 0]),
            ints('class_nodeids', [1, 1, 3, 3, 4, 4]),
            ints('class_ids', [0, 1, 0, 1, 0, 1]),
            floats('class_weights', [0.9, 0.1, 0.7, 0.3, 0.2, 0.8]),
          ],
        },
        {
          opType: 'ZipMap',
          domain: 'ai.onnx.ml',
          name: 'zip',
          input: ['scores'],
          output: ['probabilities'],
          attribute: [classes],
        },
      ],
    },
  });
}
