import { metadataOf, setMetadata } from './model-codec.js';
import { AttributeType, DataType, int64, type AttributeProto, type ModelProto, type NodeProto } from './onnx-types.js';

/** Metadata entry with a stripped output's class labels: `millrace.classes.<output>` -> a JSON list in column order. */
export const CLASSES_METADATA_PREFIX = 'millrace.classes.';

/**
 * Replaces each ZipMap (which scikit-learn's converter puts behind a classifier: a sequence of maps, which no tensor protocol can carry
 * and onnxruntime-node cannot return) by the tensor it was made of, under the same output name: float [rows, classes].
 * The class labels it held go into the metadata. Changes the model in place; returns the outputs it changed.
 */
export function stripZipMap(model: ModelProto): string[] {
  const graph = model.graph;
  if (!graph) return [];
  const stripped: string[] = [];
  for (const node of graph.node ?? []) {
    if (node.opType !== 'ZipMap' || node.domain !== 'ai.onnx.ml') continue;
    const output = node.output?.[0] ?? '';
    const labels = labelsOf(node);
    setMetadata(model, `${CLASSES_METADATA_PREFIX}${output}`, JSON.stringify(labels));
    node.opType = 'Identity';
    node.domain = '';
    node.attribute = [];
    for (const value of [...(graph.output ?? []), ...(graph.valueInfo ?? [])]) {
      if (value.name !== output) continue;
      const columns = labels.length > 0 ? { dimValue: labels.length } : { dimParam: 'classes' };
      value.type = { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimParam: 'N' }, columns] } } };
    }
    stripped.push(output);
  }
  if (stripped.length > 0 && !(model.opsetImport ?? []).some((opset) => (opset.domain ?? '') === '' || opset.domain === 'ai.onnx')) {
    // A model of ai.onnx.ml operators alone need not import the default set; Identity needs it.
    model.opsetImport = [...(model.opsetImport ?? []), { domain: '', version: 13 }];
  }
  return stripped;
}

/** The class labels of an output whose ZipMap was stripped, in column order. */
export function classesOf(model: ModelProto, output: string): readonly (string | number)[] | undefined {
  const text = metadataOf(model).get(`${CLASSES_METADATA_PREFIX}${output}`);
  return text === undefined ? undefined : (JSON.parse(text) as (string | number)[]);
}

function labelsOf(node: NodeProto): (string | number)[] {
  const attribute = (name: string): AttributeProto | undefined => node.attribute?.find((item) => item.name === name);
  const strings = attribute('classlabels_strings');
  if (strings && (strings.type ?? AttributeType.STRINGS) === AttributeType.STRINGS && (strings.strings ?? []).length > 0)
    return (strings.strings ?? []).map((bytes) => new TextDecoder().decode(bytes));
  return (attribute('classlabels_int64s')?.ints ?? []).map((value) => Number(int64(value)));
}
