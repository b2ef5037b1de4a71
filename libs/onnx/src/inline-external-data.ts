import { Fault, unlessFault } from '@millrace/kernel';
import { readModel, writeModel } from './model-codec.js';
import { type GraphProto, type ModelProto, type NodeProto, type TensorProto } from './onnx-types.js';

/** The bytes of a file beside the graph, by its path from the graph's folder; `undefined` where there is none. */
export type FileBeside = (location: string) => Uint8Array | undefined;

/** A Protocol Buffers message has two gibibytes at most; some room is left for what is not a weight. */
export const MOST_GRAPH_BYTES = 2_000_000_000;
/** The key that every tensor outside the graph has, so that a graph without it needs no decoding. */
const LOCATION = 'location';

export interface WeightsBeside {
  /** Bytes of the graph without them. */
  readonly graphBytes: number;
  readonly fileOf: FileBeside;
  /** Bytes of the graph with them at most; never more than {@link MOST_GRAPH_BYTES}. */
  readonly maxBytes?: number;
}

/**
 * Takes weights that lie in files beside the graph into it: MLflow and PyTorch write those of a kilobyte and more there. Gives the bytes as
 * they are when nothing is taken in, and the locations of the files that were. A tensor whose file is not there, or too short, stays as it is, for
 * {@link checkModel} to tell, and so do bytes that are no model, for {@link readModel}. Throws the fault `MR_ONNX_TOO_LARGE` before anything is
 * written when the graph would have more than `maxBytes`.
 */
export function inlineExternalData(
  bytes: Uint8Array,
  fileOf: FileBeside,
  maxBytes?: number,
): { readonly bytes: Uint8Array; readonly taken: ReadonlySet<string> } {
  const nothing = { bytes, taken: new Set<string>() };
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(LOCATION)) return nothing;
  const model = unlessFault(() => readModel(bytes));
  if (!model) return nothing;
  const taken = takeWeightsIn(model, { graphBytes: bytes.length, fileOf, ...(maxBytes === undefined ? {} : { maxBytes }) });
  return taken.size > 0 ? { bytes: writeModel(model), taken } : nothing;
}

/** As {@link inlineExternalData}, in place, for who has the model decoded: its tensors then look at the files' bytes, and nothing is copied. */
export function takeWeightsIn(model: ModelProto, { graphBytes, fileOf, maxBytes = Infinity }: WeightsBeside): ReadonlySet<string> {
  const found: { tensor: TensorProto; location: string; data: Uint8Array }[] = [];
  let size = graphBytes;
  for (const tensor of tensorsOf(model)) {
    if ((tensor.dataLocation ?? 0) === 0 || (tensor.externalData ?? []).length === 0) continue;
    const { location, data } = dataOf(tensor, fileOf);
    if (data === undefined) continue;
    // Any number of tensors may name the same bytes: the files' sizes say nothing about the graph's.
    size += data.length;
    found.push({ tensor, location, data });
  }
  const most = Math.min(maxBytes, MOST_GRAPH_BYTES);
  if (found.length > 0 && size > most)
    throw new Fault(
      'MR_ONNX_TOO_LARGE',
      `with the weights in the files beside it the graph has ${size} bytes, more than the ${most} it may have; tensors that name the same bytes ` +
        'count each: let the nodes share one initializer',
      false,
    );
  for (const { tensor, data } of found) {
    tensor.rawData = data;
    delete tensor.dataLocation;
    delete tensor.externalData;
  }
  return new Set(found.map(({ location }) => location));
}

function dataOf(tensor: TensorProto, fileOf: FileBeside): { location: string; data: Uint8Array | undefined } {
  const entries = new Map((tensor.externalData ?? []).map(({ key, value }) => [key ?? '', value ?? '']));
  const location = (entries.get(LOCATION) ?? '').replace(/^(\.\/)+/, '');
  const file = fileOf(location);
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? (file ? file.length - offset : 0));
  const isWithin = [offset, length].every((value) => Number.isSafeInteger(value) && value >= 0) && offset + length <= (file?.length ?? -1);
  return { location, data: isWithin ? file?.subarray(offset, offset + length) : undefined };
}

/** Every tensor of a model, also those of branches, loops and functions. */
function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  if (model.graph) yield* tensorsOfGraph(model.graph);
  for (const { node } of model.functions ?? []) yield* tensorsOfNodes(node ?? []);
}

function* tensorsOfGraph(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer ?? [];
  for (const { values, indices } of graph.sparseInitializer ?? []) yield* [values, indices].filter((tensor) => !!tensor);
  yield* tensorsOfNodes(graph.node ?? []);
}

function* tensorsOfNodes(nodes: readonly NodeProto[]): Generator<TensorProto> {
  for (const { attribute } of nodes)
    for (const { t, g, graphs } of attribute ?? []) {
      if (t) yield t;
      for (const graph of [...(g ? [g] : []), ...(graphs ?? [])]) yield* tensorsOfGraph(graph);
    }
}
