import { AttributeType, DataType, type NodeProto, type TensorProto } from '../onnx-types.js';
import { integerAttribute, isOf, type GraphEditor } from './graph-editor.js';
import { quantize } from './quantize.js';
import { LEAST_ELEMENTS } from './quantize-dynamic.js';
import { dimsOf, elementsIn, floatsOf, floatTensor, halfTensor, int8Tensor } from './tensor-values.js';

export interface StoreWeightsOptions {
  readonly type: 'int8' | 'fp16';
  readonly minElements?: number;
}

/**
 * Keeps large float constants as 8-bit integers with a scale a channel, or as 16-bit floats, and widens them before they are used: the file is a quarter or
 * half the size, what is computed stays float. The runtime widens them once, when it loads the model (it folds Cast and Mul of
 * constants; a DequantizeLinear it leaves, which would then run with every request). Returns the names of what is kept so; what does not fit 16 bits stays.
 */
export function storeWeights(editor: GraphEditor, { type, minElements = LEAST_ELEMENTS }: StoreWeightsOptions): string[] {
  const done: string[] = [];
  const widening: NodeProto[] = [];
  for (const [name, tensor] of [...editor.constants]) {
    const values = floatsOf(tensor);
    if (!values || values.length < minElements || dimsOf(tensor).length < 2 || editor.isOutput(name)) continue;
    const nodes = type === 'fp16' ? asHalves(editor, name, tensor, values) : asIntegers(editor, name, tensor, values);
    if (!nodes) continue;
    editor.constants.delete(name);
    widening.push(...nodes);
    done.push(name);
  }
  editor.nodes = [...widening, ...editor.nodes];
  return done;
}

function asHalves(editor: GraphEditor, name: string, tensor: TensorProto, values: Float32Array): NodeProto[] | undefined {
  const stored = halfTensor(editor.freshName(`${name}_fp16`), dimsOf(tensor), values);
  return stored && [castOf(editor, editor.addConstant(stored), name)];
}

function asIntegers(editor: GraphEditor, name: string, tensor: TensorProto, values: Float32Array): NodeProto[] | undefined {
  const dims = dimsOf(tensor);
  const axis = channelAxis(editor, name, dims.length);
  const channels = dims[axis] as number;
  const inner = elementsIn(dims.slice(axis + 1));
  const quantized = quantize(values, channels, (index) => Math.floor(index / inner) % channels, 127);
  if (!quantized) return undefined;
  const scaleDims = dims.map((size, dimension) => (dimension === axis ? size : 1));
  const stored = editor.addConstant(int8Tensor(editor.freshName(`${name}_int8`), dims, quantized.values));
  const scale = editor.addConstant(floatTensor(editor.freshName(`${name}_scale`), scaleDims, quantized.scales));
  const floats = editor.freshName(`${name}_floats`);
  return [castOf(editor, stored, floats), { opType: 'Mul', name: editor.freshName(`${name}_Mul`), input: [floats, scale], output: [name] }];
}

/** The dimension of a layer's outputs: the last of a matrix that is multiplied from the right, the first of a turned one, a filter or a table of embeddings. */
function channelAxis(editor: GraphEditor, name: string, rank: number): number {
  const reader = editor.nodes.find((node) => node.input?.includes(name));
  const isLast = reader && (isOf(reader, 'MatMul') || (isOf(reader, 'Gemm') && integerAttribute(reader, 'transB', 0) === 0));
  return isLast ? rank - 1 : 0;
}

function castOf(editor: GraphEditor, from: string, to: string): NodeProto {
  const attribute = [{ name: 'to', type: AttributeType.INT, i: DataType.FLOAT }];
  return { opType: 'Cast', name: editor.freshName(`${to}_Cast`), input: [from], output: [to], attribute };
}
