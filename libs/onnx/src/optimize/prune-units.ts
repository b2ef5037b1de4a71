import type { NodeProto, TensorProto } from '../onnx-types.js';
import { denseLayer, type DenseLayer } from './dense-layer.js';
import { integerAttribute, isOf, type GraphEditor } from './graph-editor.js';
import { dimsOf, elementsIn, floatsOf, floatTensor } from './tensor-values.js';

/** A hidden layer that was made smaller. */
export interface PrunedLayer {
  readonly layer: string;
  readonly units: number;
  readonly kept: number;
}

/** Operators that treat every unit by itself and give zeros or constants for it whatever the others are. */
const ELEMENTWISE = new Set([
  ...[
    'Relu',
    'Sigmoid',
    'Tanh',
    'Elu',
    'Selu',
    'Celu',
    'LeakyRelu',
    'Gelu',
    'Softplus',
    'Softsign',
    'HardSigmoid',
    'HardSwish',
    'Mish',
    'Clip',
  ],
  ...['ThresholdedRelu', 'Erf', 'Identity', 'Abs', 'Neg', 'Exp', 'Sqrt'],
]);
/** Of two values; the other is a constant with a value for each unit, or one for all. */
const WITH_CONSTANT = new Set(['Add', 'Sub', 'Mul', 'Div', 'PRelu']);

/**
 * Takes hidden units out of a multi-layer perceptron: of each hidden layer the share `keep` (at least one) whose incoming and outgoing weights are largest stays. Every
 * matrix gets smaller, so both size and time fall, without a runtime that knows of sparse matrices. A layer whose values go anywhere but through
 * elementwise operators into one next layer stays whole. What is lost is not trained back: expect to fine-tune, and let the gate decide.
 */
export function pruneUnits(editor: GraphEditor, keep: number): PrunedLayer[] {
  if (!(keep > 0 && keep < 1)) throw new RangeError(`the share of units to keep is between 0 and 1, not ${keep}`);
  const pruned: PrunedLayer[] = [];
  for (const node of editor.nodes) {
    const layer = denseLayer(editor, node);
    const path = layer && pathFrom(editor, layer);
    if (!layer || !path) continue;
    const kept = Math.max(1, Math.round(layer.outputs * keep));
    if (kept === layer.outputs) continue;
    cut(editor, layer, path, strongest(layer, path.next, kept));
    // The shapes of what is between the layers are told there; the runtime infers them anew.
    editor.graph.valueInfo = [];
    pruned.push({ layer: node.name || layer.weight, units: layer.outputs, kept });
  }
  return pruned;
}

/** From a layer to the next: constants with a value for each unit on the way, by the node and the input that reads them. */
interface Path {
  readonly next: DenseLayer;
  readonly perUnit: readonly { readonly node: NodeProto; readonly index: number }[];
}

function pathFrom(editor: GraphEditor, layer: DenseLayer): Path | undefined {
  const uses = editor.uses();
  const units = layer.outputs;
  const perUnit: { node: NodeProto; index: number }[] = [];
  if (layer.bias !== undefined) {
    const width = widthOf(editor, layer.bias, units);
    if (width === undefined) return undefined;
    if (width === units) perUnit.push({ node: layer.node, index: 2 });
  }
  for (let value = layer.output; ;) {
    if (uses.get(value) !== 1 || editor.isOutput(value)) return undefined;
    const reader = editor.nodes.find((node) => node.input?.includes(value));
    if (!reader) return undefined;
    const next = denseLayer(editor, reader);
    if (next) return next.input === value && next.inputs === units ? { next, perUnit } : undefined;
    const constants = constantsOn(editor, reader, value, layer);
    if (!constants || (reader.output ?? []).filter((name) => name !== '').length !== 1) return undefined;
    perUnit.push(...constants);
    value = reader.output?.[0] ?? '';
  }
}

/** The inputs of an elementwise node that have a value for each unit; `undefined` when the node does more than treat every unit by itself. */
function constantsOn(
  editor: GraphEditor,
  node: NodeProto,
  value: string,
  { outputs: units, node: layerNode }: DenseLayer,
): { node: NodeProto; index: number }[] | undefined {
  const isMatrix = isOf(layerNode, 'Gemm');
  const operator = node.opType ?? '';
  if (!isOf(node, operator)) return undefined;
  const others = (node.input ?? []).map((name, index) => ({ name, index })).filter(({ name }) => name !== value && name !== '');
  if (ELEMENTWISE.has(operator)) return others.every(({ name }) => widthOf(editor, name, units) === 1) ? [] : undefined;
  // A normalization's constants are of dimension 1, which is the last only where the values are a matrix; a Gemm gives one.
  const isNormalization = isMatrix && isOf(node, 'BatchNormalization') && integerAttribute(node, 'training_mode', 0) === 0;
  if (!isNormalization && !(WITH_CONSTANT.has(operator) && others.length === 1)) return undefined;
  const found: { node: NodeProto; index: number }[] = [];
  for (const { name, index } of others) {
    const width = widthOf(editor, name, units);
    if (width === undefined) return undefined;
    if (width === units) found.push({ node, index });
  }
  return found;
}

/** `units` of a constant with one value for each unit (in its last dimension alone), 1 of a single value; else `undefined`. */
function widthOf(editor: GraphEditor, name: string, units: number): number | undefined {
  const tensor = editor.constants.get(name);
  if (!tensor || !floatsOf(tensor)) return undefined;
  const dims = dimsOf(tensor);
  const count = elementsIn(dims);
  if (count === 1) return 1;
  return count === units && dims.at(-1) === units ? units : undefined;
}

/** The units with the largest product of the norms of their incoming and outgoing weights, in their order. */
function strongest(layer: DenseLayer, next: DenseLayer, kept: number): number[] {
  const strength = Array.from({ length: layer.outputs }, (_, unit) => {
    let [incoming, outgoing] = [0, 0];
    for (let row = 0; row < layer.inputs; row++) incoming += (layer.values[row * layer.outputs + unit] as number) ** 2;
    for (let column = 0; column < next.outputs; column++) outgoing += (next.values[unit * next.outputs + column] as number) ** 2;
    return { unit, by: incoming * outgoing };
  });
  return strength
    .sort((a, b) => b.by - a.by || a.unit - b.unit)
    .slice(0, kept)
    .map(({ unit }) => unit)
    .sort((a, b) => a - b);
}

function cut(editor: GraphEditor, layer: DenseLayer, { next, perUnit }: Path, units: readonly number[]): void {
  slice(editor, layer.node, 1, isTurned(layer) ? 0 : 1, units);
  slice(editor, next.node, 1, isTurned(next) ? 1 : 0, units);
  for (const { node, index } of perUnit) {
    const rank = dimsOf(editor.constants.get(node.input?.[index] ?? '') as TensorProto).length;
    slice(editor, node, index, rank - 1, units);
  }
}

function isTurned({ node }: DenseLayer): boolean {
  return isOf(node, 'Gemm') && integerAttribute(node, 'transB', 0) !== 0;
}

/** Gives a node a constant of its own with only some of the places along an axis; whoever else reads the old one keeps it. */
function slice(editor: GraphEditor, node: NodeProto, index: number, axis: number, places: readonly number[]): void {
  const name = node.input?.[index] ?? '';
  const tensor = editor.constants.get(name) as TensorProto;
  const values = floatsOf(tensor) as Float32Array;
  const dims = dimsOf(tensor);
  const inner = elementsIn(dims.slice(axis + 1));
  const size = dims[axis] as number;
  const outer = elementsIn(dims.slice(0, axis));
  const cutDims = dims.map((dim, dimension) => (dimension === axis ? places.length : dim));
  const result = new Float32Array(elementsIn(cutDims));
  let at = 0;
  for (let block = 0; block < outer; block++) {
    for (const place of places) {
      const from = (block * size + place) * inner;
      result.set(values.subarray(from, from + inner), at);
      at += inner;
    }
  }
  const cutName = editor.addConstant(floatTensor(editor.freshName(`${name}_kept`), cutDims, result));
  node.input = (node.input ?? []).map((one, place) => (place === index ? cutName : one));
}
