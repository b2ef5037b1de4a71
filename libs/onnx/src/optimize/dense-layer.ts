import type { NodeProto } from '../onnx-types.js';
import { floatAttribute, integerAttribute, isOf, type GraphEditor } from './graph-editor.js';
import { dimsOf, floatsOf, transposed } from './tensor-values.js';

/** A MatMul or Gemm of an activation with a constant matrix. */
export interface DenseLayer {
  readonly node: NodeProto;
  readonly input: string;
  readonly output: string;
  /** Name of the matrix. */
  readonly weight: string;
  readonly inputs: number;
  readonly outputs: number;
  /** [inputs, outputs], a Gemm's alpha and transposition worked in. */
  readonly values: Float32Array;
  /** What a Gemm adds; `undefined` when it adds nothing, and for a MatMul. */
  readonly bias: string | undefined;
  /** The factor of what is added. */
  readonly beta: number;
}

/** The node as a layer with constant weights; `undefined` when it is none. */
export function denseLayer(editor: GraphEditor, node: NodeProto): DenseLayer | undefined {
  const isGemm = isOf(node, 'Gemm');
  if (!isGemm && !isOf(node, 'MatMul')) return undefined;
  const [input = '', weight = '', bias = ''] = node.input ?? [];
  const tensor = editor.constants.get(weight);
  const stored = floatsOf(tensor);
  const dims = tensor ? dimsOf(tensor) : [];
  if (!stored || dims.length !== 2 || editor.constants.has(input)) return undefined;
  const [rows, columns] = dims as [number, number];
  const output = node.output?.[0] ?? '';
  if (!isGemm) return { node, input, output, weight, inputs: rows, outputs: columns, values: stored, bias: undefined, beta: 1 };
  if (integerAttribute(node, 'transA', 0) !== 0) return undefined;
  const isTurned = integerAttribute(node, 'transB', 0) !== 0;
  const alpha = floatAttribute(node, 'alpha', 1);
  const turned = isTurned ? transposed(stored, rows, columns) : stored;
  return {
    ...{ node, input, output, weight },
    inputs: isTurned ? columns : rows,
    outputs: isTurned ? rows : columns,
    values: alpha === 1 ? turned : turned.map((value) => value * alpha),
    bias: bias === '' ? undefined : bias,
    beta: floatAttribute(node, 'beta', 1),
  };
}
