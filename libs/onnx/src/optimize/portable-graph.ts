import type { Rejection } from '@millrace/kernel';
import { isRowDatatype } from '@millrace/edge';
import { checkModel } from '../check-model.js';
import { FEATURES_METADATA } from '../logistic-regression.js';
import { metadataOf, readModel, writeModel } from '../model-codec.js';
import { int64, type GraphProto, type ModelProto } from '../onnx-types.js';
import { signatureOf, type ModelSignature } from '../signature.js';
import { classesOf, stripZipMap } from '../strip-zip-map.js';
import { widenHalfPrecision } from '../widen-half-precision.js';
import { cleanGraph } from './clean-graph.js';
import { GraphEditor, subgraphsOf } from './graph-editor.js';

/** A graph that any build of onnxruntime runs one row at a time, and what has to be known to ask it. */
export interface PortableGraph {
  readonly bytes: Uint8Array;
  /** What was done to the graph it was made of, a sentence each; answers stay the same. */
  readonly changes: readonly string[];
  readonly signature: ModelSignature;
  /** Names of the only input's columns, in order, when the model says them. */
  readonly columns: readonly string[] | undefined;
  /** Output -> what its columns stand for, where a ZipMap said it. */
  readonly classes: Readonly<Record<string, readonly (string | number)[]>>;
  readonly irVersion: number;
  /** Domain -> version; the default domain as `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly operators: readonly string[];
}

export type PortableRejection = Rejection<'MR_ONNX_UNSOUND' | 'MR_ONNX_NOT_PORTABLE'>;

export type PortableOutcome =
  ({ readonly kind: 'portable' } & PortableGraph) | { readonly kind: 'rejected'; readonly rejection: PortableRejection };

const DEFAULT_DOMAIN = 'ai.onnx';
/** Domains whose operators come with onnxruntime, in a browser too. */
const KNOWN_DOMAINS = new Set([DEFAULT_DOMAIN, 'ai.onnx.ml', 'com.microsoft']);

/**
 * Makes a graph that runs away from the gateway: ZipMaps off, half-precision inputs and outputs widened, what has no part in the answer taken away. A
 * graph that cannot be asked row by row there is rejected with the reason; whether a runtime has every operator only that runtime can tell.
 */
export function portableGraph(bytes: Uint8Array): PortableOutcome {
  const model = readModel(bytes);
  const [problem] = checkModel(model);
  if (problem) return rejected('MR_ONNX_UNSOUND', problem.message);
  const stripped = stripZipMap(model);
  const widened = widenHalfPrecision(model);
  const editor = new GraphEditor(model);
  const { identities, folded, duplicates, nodes, initializers } = cleanGraph(editor);
  editor.finish();
  const signature = signatureOf(model);
  const operators = operatorsOf(model.graph ?? {});
  const reason = whyNot(signature, [...operators.values()], model);
  if (reason !== undefined) return rejected('MR_ONNX_NOT_PORTABLE', reason);
  const columns = columnsIn(model, signature);
  if (typeof columns === 'string') return rejected('MR_ONNX_NOT_PORTABLE', columns);
  const cleaned = identities + folded + duplicates + nodes + initializers;
  return {
    kind: 'portable',
    bytes: writeModel(model),
    changes: [
      ...stripped.map((output) => `output ${output}: the ZipMap is taken off; it gives the tensor`),
      ...widened.map((name) => `${name}: half precision is widened to FP32`),
      ...(cleaned > 0 ? [`${cleaned} nodes and constants without a part in the answer are taken away`] : []),
    ],
    signature,
    columns,
    classes: Object.fromEntries(
      signature.outputs.flatMap(({ name }) => [classesOf(model, name)].flatMap((classes) => (classes ? [[name, classes]] : []))),
    ),
    irVersion: Number(int64(model.irVersion)),
    opsets: Object.fromEntries((model.opsetImport ?? []).map(({ domain, version }) => [domainName(domain), Number(int64(version))])),
    operators: [...operators.keys()].sort(),
  };
}

function whyNot(
  signature: ModelSignature,
  domains: readonly (readonly [operator: string, domain: string])[],
  model: ModelProto,
): string | undefined {
  const [other] = signature.otherInputs;
  if (other) return `input ${JSON.stringify(other.name)} is a ${other.type}; only tensors can be given`;
  if (signature.outputs.length === 0) return 'it gives no tensor';
  for (const { name, datatype, shape } of signature.inputs) {
    if (!isRowDatatype(datatype)) return `input ${JSON.stringify(name)} is ${datatype}, which cannot be given as JSON`;
    const rows = shape?.[0] ?? 1;
    if (shape?.length === 0 || (rows !== -1 && rows !== 1))
      return `input ${JSON.stringify(name)} has the shape [${shape?.join(', ')}]; export the model with a free first dimension, as rows are asked one by one`;
  }
  const output = signature.outputs.find(({ datatype }) => !isRowDatatype(datatype));
  if (output) return `output ${JSON.stringify(output.name)} is ${output.datatype}, which cannot be given as JSON`;
  const functions = new Set((model.functions ?? []).map(({ domain, name }) => `${domainName(domain)}:${name ?? ''}`));
  const foreign = domains.find(([operator, domain]) => !KNOWN_DOMAINS.has(domain) && !functions.has(`${domain}:${operator}`));
  if (foreign) return `operator ${foreign[0]} is of domain ${foreign[1]}, whose operators do not come with the runtime`;
  return undefined;
}

/** The columns, or what is wrong with them. */
function columnsIn(model: ModelProto, { inputs }: ModelSignature): readonly string[] | string | undefined {
  const text = metadataOf(model).get(FEATURES_METADATA);
  if (text === undefined) return undefined;
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch {
    return `its metadata entry ${FEATURES_METADATA} is not JSON; it is a list of column names`;
  }
  if (!Array.isArray(names) || !names.every((name): name is string => typeof name === 'string'))
    return `its metadata entry ${FEATURES_METADATA} is no list of column names`;
  const width = inputs.length === 1 ? (inputs[0]?.shape?.[1] ?? -1) : -1;
  return width === -1 || width === names.length
    ? names
    : `it names ${names.length} columns in ${FEATURES_METADATA} and its input takes ${width}`;
}

/** Operator by its full name -> its name and domain, those of subgraphs too. */
function operatorsOf(graph: GraphProto, found = new Map<string, readonly [string, string]>()): Map<string, readonly [string, string]> {
  for (const node of graph.node ?? []) {
    const domain = domainName(node.domain);
    const operator = node.opType ?? '';
    found.set(domain === DEFAULT_DOMAIN ? operator : `${domain}:${operator}`, [operator, domain]);
    for (const inner of subgraphsOf(node)) operatorsOf(inner, found);
  }
  return found;
}

function domainName(domain: string | null | undefined): string {
  return (domain ?? '') === '' ? DEFAULT_DOMAIN : (domain as string);
}

function rejected(code: PortableRejection['code'], message: string): PortableOutcome {
  return { kind: 'rejected', rejection: { code, message } };
}
