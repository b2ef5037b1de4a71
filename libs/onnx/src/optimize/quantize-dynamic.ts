import { AttributeType, DataType, type NodeProto } from '../onnx-types.js';
import { denseLayer, type DenseLayer } from './dense-layer.js';
import { attributeOf, type GraphEditor } from './graph-editor.js';
import { quantize, type Quantized } from './quantize.js';
import { dimsOf, floatsOf, floatTensor, int8Tensor } from './tensor-values.js';

export interface DynamicInt8Options {
  /** A scale for each output of a layer instead of one for the matrix: closer where outputs differ in size. Without VNNI it may be slower and less accurate than one scale: 8-bit products saturate in 16 bits. */
  readonly perChannel?: boolean;
  /** Seven bits instead of eight, for processors without 8-bit dot products (VNNI, or ARM's). */
  readonly reduceRange?: boolean;
  /** Matrices with fewer elements stay as they are: the nodes around them cost more than they save. */
  readonly minElements?: number;
}

/** The least operator set that has DynamicQuantizeLinear. */
export const DYNAMIC_INT8_OPSET = 11;
export const LEAST_ELEMENTS = 1024;

/**
 * Computes MatMul and Gemm with constant matrices in 8-bit integers, as Python's `quantize_dynamic` does: the activation is quantized when it is known (once, however many
 * layers read it), multiplied as integers, and scaled back. A Gemm becomes the product and an Add. Returns the names of the layers' matrices.
 */
export function quantizeDynamic(editor: GraphEditor, options: DynamicInt8Options = {}): string[] {
  const { perChannel = false, reduceRange = false, minElements = LEAST_ELEMENTS } = options;
  const activations = new Map<string, Activation>();
  const matrices = new Map<string, Matrix>();
  const done: string[] = [];
  for (const node of editor.nodes) {
    const layer = denseLayer(editor, node);
    if (!layer || layer.values.length < minElements) continue;
    const bias = biasOf(editor, layer);
    if (bias === null) continue;
    const matrix = matrixOf(editor, layer, matrices, perChannel, reduceRange ? 63 : 127);
    if (!matrix) continue;
    const [activation, made] = activationOf(editor, layer.input, activations);
    editor.replace(node, [...made, ...product(editor, layer, activation, matrix, bias)]);
    done.push(layer.weight);
  }
  return done;
}

interface Activation {
  readonly values: string;
  readonly scale: string;
  readonly zero: string;
}

interface Matrix {
  readonly values: string;
  readonly scale: string;
  readonly zero: string;
}

function activationOf(editor: GraphEditor, name: string, known: Map<string, Activation>): [Activation, NodeProto[]] {
  const before = known.get(name);
  if (before) return [before, []];
  const [values, scale, zero] = ['quantized', 'scale', 'zero_point'].map((what) => editor.freshName(`${name}_${what}`)) as [
    string,
    string,
    string,
  ];
  const activation = { values, scale, zero };
  known.set(name, activation);
  return [activation, [nodeOf(editor, 'DynamicQuantizeLinear', [name], [values, scale, zero])]];
}

/** A matrix two layers share is quantized once, where both read it alike. */
function matrixOf(
  editor: GraphEditor,
  layer: DenseLayer,
  known: Map<string, Matrix>,
  perChannel: boolean,
  levels: 127 | 63,
): Matrix | undefined {
  const { weight, values, inputs, outputs, node } = layer;
  const key = JSON.stringify([weight, attributeOf(node, 'transB')?.i, attributeOf(node, 'alpha')?.f]);
  const before = known.get(key);
  if (before) return before;
  const channels = perChannel ? outputs : 1;
  const quantized: Quantized | undefined = quantize(values, channels, perChannel ? (index) => index % outputs : () => 0, levels);
  if (!quantized) return undefined;
  const dims = perChannel ? [outputs] : [];
  const matrix = {
    values: editor.addConstant(int8Tensor(editor.freshName(`${weight}_quantized`), [inputs, outputs], quantized.values)),
    scale: editor.addConstant(floatTensor(editor.freshName(`${weight}_scale`), dims, quantized.scales)),
    zero: editor.addConstant(int8Tensor(editor.freshName(`${weight}_zero_point`), dims, new Int8Array(channels))),
  };
  known.set(key, matrix);
  return matrix;
}

/** What is added to the product; `undefined`: nothing; `null`: a factor on something that is not constant, so the layer stays. */
function biasOf(editor: GraphEditor, { bias, beta, weight }: DenseLayer): string | undefined | null {
  if (bias === undefined || beta === 0) return undefined;
  if (beta === 1) return bias;
  const tensor = editor.constants.get(bias);
  const values = floatsOf(tensor);
  if (!tensor || !values) return null;
  const scaled = values.map((value) => value * beta);
  return editor.addConstant(floatTensor(editor.freshName(`${weight}_bias`), dimsOf(tensor), scaled));
}

function product(editor: GraphEditor, layer: DenseLayer, x: Activation, w: Matrix, bias: string | undefined): NodeProto[] {
  const { output } = layer;
  const [integers, floats, scale] = ['integers', 'floats', 'scales'].map((what) => editor.freshName(`${output}_${what}`)) as [
    string,
    string,
    string,
  ];
  const scaled = bias === undefined ? output : editor.freshName(`${output}_product`);
  const cast = nodeOf(editor, 'Cast', [integers], [floats]);
  cast.attribute = [{ name: 'to', type: AttributeType.INT, i: DataType.FLOAT }];
  return [
    nodeOf(editor, 'MatMulInteger', [x.values, w.values, x.zero, w.zero], [integers]),
    cast,
    nodeOf(editor, 'Mul', [x.scale, w.scale], [scale]),
    nodeOf(editor, 'Mul', [floats, scale], [scaled]),
    ...(bias === undefined ? [] : [nodeOf(editor, 'Add', [scaled, bias], [output])]),
  ];
}

function nodeOf(editor: GraphEditor, opType: string, input: string[], output: string[]): NodeProto {
  return { opType, name: editor.freshName(`${output[0] ?? ''}_${opType}`), input, output };
}
