import {
  checkModel,
  FEATURES_METADATA,
  metadataOf,
  MOST_GRAPH_BYTES,
  readModel,
  signatureOf,
  stripZipMap,
  takeWeightsIn,
  widenHalfPrecision,
  writeModel,
  type ModelProto,
} from '@millrace/onnx';
import { isFault } from '@millrace/kernel';
import { posix } from 'node:path';
import { Refusal } from '../domain/refusal.js';
import type { TensorSpec } from '../domain/tensor/tensor.js';

/** A version's graph, with what its weights may lie in. */
export interface ModelFiles {
  readonly graph: Uint8Array;
  /** The version's other files, by their paths from the graph's folder. */
  readonly beside: ReadonlyMap<string, Uint8Array>;
  /** Bytes of the graph at most, once the weights in other files are in it. */
  readonly maxBytes: number;
}

/** What of a graph is looked at when it serves. */
export interface ServableSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Column names of the single input tensor, in order, when the model says them. */
  readonly features: readonly string[] | undefined;
  /** Outputs that were lists of maps (ZipMap) and are served as the tensors they were made of. */
  readonly stripped: readonly string[];
  /** Half-precision inputs and outputs, which the graph as it is run takes and gives as the FP32 that equal them. */
  readonly widened: readonly string[];
}

export interface ServableModel extends ServableSignature {
  /** The graph to be run: the bytes given where nothing had to be changed. */
  readonly bytes: Uint8Array;
}

/**
 * Checks a graph and makes it one the runtime can serve: weights in files beside it are taken in, ZipMaps are taken off, half-precision inputs
 * and outputs get a cast. This is work for a thread: of a large graph it takes a second. Throws a refusal that starts with `label` and says what
 * is wrong and how to mend it.
 */
export function servableModel(label: string, files: ModelFiles): ServableModel {
  const refuse = (why: string): Refusal => new Refusal('MR_INFERENCE_UNSERVABLE', `${label}: ${why}`);
  const model = readGraph(files.graph, refuse);
  const taken = takeIn(model, files, refuse);
  const [problem] = checkModel(model);
  if (problem) throw refuse(problem.message);
  const stripped = stripZipMap(model);
  const signature = signatureOf(model);
  const widened = widenHalfPrecision(model);
  const [other] = signature.otherInputs;
  if (other) throw refuse(`input ${JSON.stringify(other.name)} is a ${other.type}; only tensors are served`);
  const { inputs, outputs } = signature;
  if (outputs.length === 0) throw refuse('it gives no tensor');
  const features = featuresOf(metadataOf(model), refuse);
  const isChanged = taken.size + stripped.length + widened.length > 0;
  return { bytes: isChanged ? writeModel(model) : files.graph, inputs, outputs, features, stripped, widened };
}

type Refuse = (why: string) => Refusal;

function readGraph(bytes: Uint8Array, refuse: Refuse): ModelProto {
  try {
    return readModel(bytes);
  } catch (error) {
    if (isFault(error)) throw refuse(error.message);
    throw error;
  }
}

/** Only the version's own files are looked at, whatever path the graph names. */
function takeIn(model: ModelProto, { graph, beside, maxBytes }: ModelFiles, refuse: Refuse): ReadonlySet<string> {
  try {
    return takeWeightsIn(model, { graphBytes: graph.length, fileOf: (location) => beside.get(posix.normalize(location)), maxBytes });
  } catch (error) {
    if (!isFault(error)) throw error;
    throw refuse(maxBytes < MOST_GRAPH_BYTES ? `${error.message}, or raise MILLRACE_INFERENCE_MAX_MODEL` : error.message);
  }
}

function featuresOf(metadata: ReadonlyMap<string, string>, refuse: Refuse): readonly string[] | undefined {
  const text = metadata.get(FEATURES_METADATA);
  if (text === undefined) return undefined;
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch {
    throw refuse(`its metadata entry ${FEATURES_METADATA} is not JSON; it is a list of column names such as ["a","b"]`);
  }
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
}
