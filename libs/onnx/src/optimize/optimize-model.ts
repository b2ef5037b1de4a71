import type { Rejection } from '@millrace/kernel';
import { checkModel } from '../check-model.js';
import { readModel, setMetadata, writeModel } from '../model-codec.js';
import { DataType, type GraphProto } from '../onnx-types.js';
import { cleanGraph } from './clean-graph.js';
import { GraphEditor, subgraphsOf } from './graph-editor.js';
import { pruneUnits } from './prune-units.js';
import { DYNAMIC_INT8_OPSET, LEAST_ELEMENTS, quantizeDynamic, type DynamicInt8Options } from './quantize-dynamic.js';
import { dimsOf, elementsIn } from './tensor-values.js';
import { storeWeights, type StoreWeightsOptions } from './store-weights.js';

/** One thing to do to a model. */
export type OptimizeStep =
  | { readonly pass: 'clean' }
  | { readonly pass: 'prune'; readonly keep: number }
  | ({ readonly pass: 'dynamic-int8' } & DynamicInt8Options)
  | ({ readonly pass: 'weights' } & StoreWeightsOptions);

export type OptimizeRejection = Rejection<
  'MR_ONNX_UNSOUND' | 'MR_ONNX_OPSET_TOO_OLD' | 'MR_ONNX_TREE_ENSEMBLE' | 'MR_ONNX_NOTHING_TO_OPTIMIZE'
>;

export interface Optimized {
  readonly bytes: Uint8Array;
  /** What was done, a sentence a step. */
  readonly changes: readonly string[];
}

export type OptimizeOutcome =
  ({ readonly kind: 'optimized' } & Optimized) | { readonly kind: 'rejected'; readonly rejection: OptimizeRejection };

/** Metadata entry with the steps that made a model of another, as JSON. */
export const OPTIMIZATION_METADATA = 'millrace.optimization';

/** Before it an operator of two values broadcast by attributes. */
const LEAST_OPSET = 7;

/** What is advised to export with: every step has what it needs, and any runtime in use knows it. */
const EXPORT_OPSET = 17;

/**
 * Makes a smaller or faster model of a model, by the steps in their order, on a graph that is cleaned first and last. Inputs and outputs keep their names, types and shapes.
 * The bytes given are not changed. A step that finds nothing to do is a rejection, with the reason. How good the result is only {@link measureModels} tells.
 */
export function optimizeModel(bytes: Uint8Array, steps: readonly OptimizeStep[]): OptimizeOutcome {
  const model = readModel(bytes);
  const [problem] = checkModel(model);
  if (problem) return rejected('MR_ONNX_UNSOUND', problem.message);
  const editor = new GraphEditor(model);
  const changes: string[] = [];
  const cleaned = cleanGraph(editor);
  for (const step of steps) {
    const least = step.pass === 'dynamic-int8' ? DYNAMIC_INT8_OPSET : step.pass === 'clean' ? 0 : LEAST_OPSET;
    if (editor.opset < least) {
      const message =
        `${step.pass} needs operator set ${least}, the model has ${editor.opset}; export it with a newer one: ` +
        `skl2onnx takes target_opset=${EXPORT_OPSET}, torch.onnx.export opset_version=${EXPORT_OPSET}`;
      return rejected('MR_ONNX_OPSET_TOO_OLD', message, { opset: editor.opset, least });
    }
    const change = step.pass === 'clean' ? cleanedText(cleaned) : apply(editor, step);
    if (change === undefined) return nothingToDo(editor, step);
    changes.push(change);
  }
  cleanGraph(editor);
  editor.finish();
  setMetadata(model, OPTIMIZATION_METADATA, JSON.stringify(steps));
  const [defect] = checkModel(model);
  if (defect) throw new Error(`the optimized graph is not sound: ${defect.message}`);
  return { kind: 'optimized', bytes: writeModel(model), changes };
}

function cleanedText(cleaned: ReturnType<typeof cleanGraph>): string | undefined {
  const { identities, folded, duplicates, nodes, initializers } = cleaned;
  if (identities + folded + duplicates + nodes + initializers === 0) return undefined;
  return (
    `clean: ${identities} nodes that pass a value on, ${folded} that gave constants, ${nodes} nobody reads, ` +
    `${duplicates} constants that were there twice, ${initializers} nobody reads`
  );
}

function apply(editor: GraphEditor, step: Exclude<OptimizeStep, { pass: 'clean' }>): string | undefined {
  switch (step.pass) {
    case 'prune': {
      const layers = pruneUnits(editor, step.keep);
      if (layers.length === 0) return undefined;
      return `prune: ${layers.map(({ layer, units, kept }) => `${kept} of ${units} units of ${layer}`).join(', ')}`;
    }
    case 'dynamic-int8': {
      const matrices = quantizeDynamic(editor, step);
      if (matrices.length === 0) return undefined;
      return `dynamic-int8: ${matrices.join(', ')}${step.perChannel ? ', a scale for each output' : ''}${step.reduceRange ? ', 7 bits' : ''}`;
    }
    case 'weights': {
      const kept = storeWeights(editor, step);
      return kept.length === 0 ? undefined : `weights: ${kept.join(', ')} kept as ${step.type}`;
    }
  }
}

const TREES = /^TreeEnsemble/;

function nothingToDo(editor: GraphEditor, step: OptimizeStep): OptimizeOutcome {
  const operators = new Set<string>();
  const collect = (graph: GraphProto): void => {
    for (const node of graph.node ?? []) {
      operators.add(node.opType ?? '');
      subgraphsOf(node).forEach(collect);
    }
  };
  collect({ node: editor.nodes });
  if (step.pass !== 'clean' && [...operators].some((operator) => TREES.test(operator))) {
    const message =
      `${step.pass}: the model is an ensemble of trees, which compare with thresholds and multiply no matrices; there is nothing to quantize or prune in it. ` +
      'Train fewer or shallower trees, or distil it into a small network (docs/how-to/shrink-a-model.md)';
    return rejected('MR_ONNX_TREE_ENSEMBLE', message);
  }
  return rejected('MR_ONNX_NOTHING_TO_OPTIMIZE', `${step.pass}: ${reasonOf(editor, step, operators)}`, { pass: step.pass });
}

function reasonOf(editor: GraphEditor, step: OptimizeStep, operators: ReadonlySet<string>): string {
  const convolutions = operators.has('Conv') ? '; for convolutions see static quantization in docs/how-to/shrink-a-model.md' : '';
  const otherwise = step.pass === 'clean' ? undefined : otherFloats(editor, 'minElements' in step ? step.minElements : undefined);
  if (otherwise !== undefined) return otherwise;
  switch (step.pass) {
    case 'clean':
      return 'the graph is clean already';
    case 'prune':
      return 'no hidden layer leads through elementwise operators alone into one next layer with constant weights';
    case 'dynamic-int8':
      return `no MatMul or Gemm multiplies with a constant matrix of at least ${step.minElements ?? LEAST_ELEMENTS} finite floats${convolutions}`;
    case 'weights':
      return `no constant is a matrix of at least ${step.minElements ?? LEAST_ELEMENTS} floats that ${step.type} can hold`;
  }
}

const OTHER_FLOATS: ReadonlyMap<number, string> = new Map([
  [DataType.DOUBLE, '64-bit'],
  [DataType.FLOAT16, '16-bit'],
  [DataType.BFLOAT16, '16-bit'],
]);

/** A matrix that is large enough, and not of the floats the steps work on. */
function otherFloats({ constants }: GraphEditor, minElements = LEAST_ELEMENTS): string | undefined {
  for (const [name, tensor] of constants) {
    const bits = OTHER_FLOATS.get(tensor.dataType ?? 0);
    const dims = dimsOf(tensor);
    if (bits === undefined || dims.length < 2 || elementsIn(dims) < minElements) continue;
    const mend = bits === '64-bit' ? '; export the model with float32 inputs and weights first' : ', which take half the space already';
    return `the model's weights are ${bits} floats (${JSON.stringify(name)}), and only 32-bit floats are worked on${mend}`;
  }
  return undefined;
}

function rejected(code: OptimizeRejection['code'], message: string, details?: Readonly<Record<string, unknown>>): OptimizeOutcome {
  return { kind: 'rejected', rejection: { code, message, ...(details ? { details } : {}) } };
}
