import { DataType, int64, type NodeProto, type TensorProto } from '../onnx-types.js';
import { attributeOf, integerAttribute, isOf, readBy, type GraphEditor } from './graph-editor.js';
import { dimsOf, elementsIn, floatsOf, floatTensor, integersOf, transposed } from './tensor-values.js';

/** How many of each were taken away. */
export interface Cleaned {
  identities: number;
  folded: number;
  duplicates: number;
  nodes: number;
  initializers: number;
}

/**
 * Takes away what has no part in the answer: nodes that pass a value on (Identity, Dropout as it is at inference), what can be computed now (Constant
 * nodes, Transpose and Reshape of constants), constants that are there twice, nodes and constants nobody reads. The model's answers stay the same bit for bit,
 * its inputs and outputs keep their names, also an input nobody reads.
 */
export function cleanGraph(editor: GraphEditor): Cleaned {
  const cleaned: Cleaned = { identities: 0, folded: 0, duplicates: 0, nodes: 0, initializers: 0 };
  for (let changes = -1; changes !== sum(cleaned);) {
    changes = sum(cleaned);
    cleaned.folded += foldConstants(editor);
    cleaned.identities += removeIdentities(editor);
    cleaned.duplicates += mergeDuplicates(editor);
    cleaned.nodes += removeDeadNodes(editor);
    cleaned.initializers += removeUnusedConstants(editor);
  }
  const known = new Set([...editor.constants.keys(), ...editor.nodes.flatMap((node) => node.output ?? [])]);
  editor.graph.valueInfo = (editor.graph.valueInfo ?? []).filter(({ name }) => known.has(name ?? ''));
  return cleaned;
}

function sum({ identities, folded, duplicates, nodes, initializers }: Cleaned): number {
  return identities + folded + duplicates + nodes + initializers;
}

function foldConstants(editor: GraphEditor): number {
  let folded = 0;
  const uses = editor.uses();
  for (const node of editor.nodes) {
    const [output = ''] = node.output ?? [];
    // What somebody else reads as it is would be there twice.
    if ((uses.get(node.input?.[0] ?? '') ?? 1) > 1) continue;
    const tensor = constantOf(node, output) ?? transposeOf(editor, node, output) ?? reshapeOf(editor, node, output);
    if (!tensor) continue;
    editor.replace(node, []);
    editor.addConstant(tensor);
    folded++;
  }
  return folded;
}

function constantOf(node: NodeProto, name: string): TensorProto | undefined {
  if (!isOf(node, 'Constant')) return undefined;
  const tensor = attributeOf(node, 'value')?.t;
  if (tensor) return { ...tensor, name };
  const [float, floats] = [attributeOf(node, 'value_float')?.f, attributeOf(node, 'value_floats')?.floats];
  if (typeof float === 'number') return floatTensor(name, [], Float32Array.of(float));
  if (floats && floats.length > 0) return floatTensor(name, [floats.length], Float32Array.from(floats));
  const [integer, integers] = [attributeOf(node, 'value_int')?.i, attributeOf(node, 'value_ints')?.ints];
  if (attributeOf(node, 'value_int') && integer !== null && integer !== undefined) {
    return { name, dims: [], dataType: DataType.INT64, int64Data: [integer] };
  }
  return integers && integers.length > 0
    ? { name, dims: [integers.length], dataType: DataType.INT64, int64Data: [...integers] }
    : undefined;
}

/** A matrix turned round, as exporters write the weights of a linear layer. */
function transposeOf(editor: GraphEditor, node: NodeProto, name: string): TensorProto | undefined {
  if (!isOf(node, 'Transpose')) return undefined;
  const tensor = editor.constants.get(node.input?.[0] ?? '');
  const values = floatsOf(tensor);
  const [rows, columns, ...more] = tensor ? dimsOf(tensor) : [];
  if (!values || rows === undefined || columns === undefined || more.length > 0) return undefined;
  const axes = (attributeOf(node, 'perm')?.ints ?? []).map((axis) => Number(int64(axis)));
  if (axes[0] === 0) return floatTensor(name, [rows, columns], values);
  return floatTensor(name, [columns, rows], transposed(values, rows, columns));
}

function reshapeOf(editor: GraphEditor, node: NodeProto, name: string): TensorProto | undefined {
  if (!isOf(node, 'Reshape')) return undefined;
  const tensor = editor.constants.get(node.input?.[0] ?? '');
  const wanted = integersOf(editor.constants.get(node.input?.[1] ?? ''));
  if (!tensor || !wanted || (tensor.dataLocation ?? 0) !== 0) return undefined;
  const before = dimsOf(tensor);
  const zeroIsKept = integerAttribute(node, 'allowzero', 0) === 0;
  const dims = wanted.map((size, index) => (size === 0 && zeroIsKept ? (before[index] ?? 0) : size));
  const known = elementsIn(dims.filter((size) => size !== -1));
  const total = elementsIn(before);
  if (total === 0 || known === 0) return undefined;
  const shape = dims.map((size) => (size === -1 ? total / known : size));
  return elementsIn(shape) === total && shape.every(Number.isInteger) ? { ...tensor, name, dims: shape } : undefined;
}

/** Whether a node gives its first input unchanged. */
function passesOn(editor: GraphEditor, node: NodeProto): boolean {
  const outputs = (node.output ?? []).filter((name) => name !== '');
  if (outputs.length !== 1) return false;
  if (isOf(node, 'Identity')) return true;
  // Since 12 a third input may ask for training; before 7 an attribute did.
  if (!isOf(node, 'Dropout') || editor.opset < 7) return false;
  return (node.input?.[2] ?? '') === '';
}

function removeIdentities(editor: GraphEditor): number {
  let removed = 0;
  const producers = editor.producers();
  for (const node of editor.nodes) {
    const [from = ''] = node.input ?? [];
    const [to = ''] = node.output ?? [];
    if (!passesOn(editor, node)) continue;
    if (!editor.isOutput(to)) {
      editor.rename(to, from);
      editor.replace(node, []);
      removed++;
      continue;
    }
    // The graph's output keeps its name, so what made the value has to take it. An input, a constant or another output cannot.
    const producer = producers.get(from);
    if (!producer || editor.isOutput(from)) continue;
    producer.output = (producer.output ?? []).map((name) => (name === from ? to : name));
    editor.replace(node, []);
    editor.rename(from, to);
    producers.set(to, producer);
    removed++;
  }
  return removed;
}

/** The first of equal constants stays, and an output of the graph in any case. */
function mergeDuplicates(editor: GraphEditor): number {
  let merged = 0;
  const firsts = new Map<string, TensorProto[]>();
  for (const [name, tensor] of editor.constants) {
    const { rawData, dataType, dataLocation } = tensor;
    // Of a few bytes there is nothing to win; strings and external data are left alone.
    if (!rawData || rawData.length === 0 || (dataLocation ?? 0) !== 0) continue;
    const key = `${dataType}:${dimsOf(tensor).join(',')}:${rawData.length}`;
    const alike = firsts.get(key) ?? [];
    const first = alike.find((one) => isEqual(one.rawData as Uint8Array, rawData));
    if (!first) firsts.set(key, [...alike, tensor]);
    else if (!editor.isOutput(name)) {
      editor.rename(name, first.name ?? '');
      editor.constants.delete(name);
      merged++;
    }
  }
  return merged;
}

function removeDeadNodes(editor: GraphEditor): number {
  const wanted = new Set((editor.graph.output ?? []).map(({ name }) => name ?? ''));
  const kept: NodeProto[] = [];
  for (const node of [...editor.nodes].reverse()) {
    if (!(node.output ?? []).some((name) => wanted.has(name))) continue;
    kept.push(node);
    for (const name of readBy(node)) wanted.add(name);
  }
  const removed = editor.nodes.length - kept.length;
  editor.nodes = kept.reverse();
  return removed;
}

function removeUnusedConstants(editor: GraphEditor): number {
  const uses = editor.uses();
  const unused = [...editor.constants.keys()].filter((name) => !uses.has(name));
  for (const name of unused) editor.constants.delete(name);
  return unused.length;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
