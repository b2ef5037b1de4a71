import { DataType, int64, type AttributeProto, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from './onnx-types.js';

export interface ModelProblem {
  readonly code:
    'IR_VERSION' | 'OPSET' | 'NODE' | 'NAME' | 'UNDEFINED_VALUE' | 'DUPLICATE_VALUE' | 'OUTPUT' | 'TENSOR' | 'EXTERNAL_DATA' | 'ATTRIBUTE';
  /** A sentence that names the node or tensor. */
  readonly message: string;
}

/** The default domain has two names. */
function domainName(domain: string | null | undefined): string {
  return domain === 'ai.onnx' ? '' : (domain ?? '');
}

/**
 * What is wrong with a model's structure: missing opset imports, values used before they are made, a name made twice, outputs nobody
 * makes, tensors whose data does not fit their shape, data kept in other files. Empty: the structure is sound. Operators'
 * own rules (attribute names, type inference) are the runtime's to check when it loads the model.
 */
export function checkModel(model: ModelProto): ModelProblem[] {
  const problems: ModelProblem[] = [];
  const irVersion = int64(model.irVersion);
  if (irVersion < 1n) problems.push({ code: 'IR_VERSION', message: 'ir_version is missing' });
  const imports = new Map<string, bigint>();
  for (const opset of model.opsetImport ?? []) {
    const domain = domainName(opset.domain);
    const [version, before] = [int64(opset.version), imports.get(domain)];
    // skl2onnx writes the same import twice, which leaves nothing open; runtimes take it.
    if (before !== undefined && before !== version) {
      problems.push({ code: 'OPSET', message: `opset of domain ${show(domain)} is imported twice, as ${before} and as ${version}` });
    }
    if (version < 1n) problems.push({ code: 'OPSET', message: `opset of domain ${show(domain)} has no version` });
    imports.set(domain, version);
  }
  if (irVersion >= 3n && imports.size === 0) problems.push({ code: 'OPSET', message: 'no operator set is imported' });
  const functions = new Set((model.functions ?? []).map((item) => `${domainName(item.domain)}:${item.name ?? ''}`));
  if (!model.graph) problems.push({ code: 'OUTPUT', message: 'the model holds no graph' });
  else checkGraph(model.graph, new Set(), { problems, imports, functions, where: 'graph' });
  if (!problems.some(({ code }) => code === 'EXTERNAL_DATA')) problems.push(...externalData(model, 'model'));
  return problems;
}

/**
 * Tensors that keep their data elsewhere, wherever in the model they are: the runtime reads the file they name also for those of functions, sparse
 * ones and lists of them, and then gives its bytes out as values.
 */
function externalData(value: unknown, where: string): ModelProblem[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  if (Array.isArray(value)) return typeof value[0] === 'object' ? value.flatMap((item: unknown) => externalData(item, where)) : [];
  const { name, dataLocation, externalData: places } = value as TensorProto;
  if ((typeof dataLocation === 'number' && dataLocation !== 0) || (places ?? []).length > 0) return [keptElsewhere(value, where)];
  // The numbers of a tensor are many, and hold nothing more.
  if ('dataType' in value) return [];
  const inside = typeof name === 'string' && name !== '' ? `${where} > ${name}` : where;
  return Object.values(value).flatMap((part: unknown) => externalData(part, inside));
}

function keptElsewhere({ name, externalData: places }: TensorProto, where: string): ModelProblem {
  const file = (places ?? []).find((entry) => entry.key === 'location')?.value ?? 'another file';
  const message = `${where}: tensor ${show(name ?? '')} keeps its data in ${show(file)}, which is not among the model's files or is too short; log it whole, or with its weights inside (mlflow.onnx.log_model: save_as_external_data=False)`;
  return { code: 'EXTERNAL_DATA', message };
}

interface Walk {
  readonly problems: ModelProblem[];
  readonly imports: ReadonlyMap<string, bigint>;
  readonly functions: ReadonlySet<string>;
  readonly where: string;
}

/** `outer` are the names a subgraph (of If, Loop, Scan) sees from around it. */
function checkGraph(graph: GraphProto, outer: ReadonlySet<string>, walk: Walk): void {
  const { problems, where } = walk;
  const known = new Set(outer);
  const made = new Set<string>();
  const make = (name: string, by: string): void => {
    if (made.has(name)) problems.push({ code: 'DUPLICATE_VALUE', message: `${where}: ${show(name)} is made twice, last by ${by}` });
    made.add(name);
    known.add(name);
  };
  for (const input of graph.input ?? []) {
    if (!input.name) problems.push({ code: 'NAME', message: `${where}: an input has no name` });
    else make(input.name, 'the inputs');
  }
  for (const tensor of graph.initializer ?? []) {
    checkTensor(tensor, walk);
    if (!tensor.name) problems.push({ code: 'NAME', message: `${where}: an initializer has no name` });
    else known.add(tensor.name);
  }
  for (const sparse of graph.sparseInitializer ?? []) if (sparse.values?.name) known.add(sparse.values.name);
  for (const [index, node] of (graph.node ?? []).entries()) {
    const label = `node ${show(node.name ?? '')} (${node.opType ?? '?'}, number ${index})`;
    checkNode(node, label, walk);
    for (const name of node.input ?? []) {
      if (name !== '' && !known.has(name))
        problems.push({ code: 'UNDEFINED_VALUE', message: `${where}: ${label} reads ${show(name)}, which nothing before it makes` });
    }
    for (const attribute of node.attribute ?? []) checkAttribute(attribute, label, known, walk);
    for (const name of node.output ?? []) if (name !== '') make(name, label);
  }
  if ((graph.output ?? []).length === 0) problems.push({ code: 'OUTPUT', message: `${where}: there is no output` });
  for (const output of graph.output ?? []) {
    if (!output.name || !known.has(output.name))
      problems.push({ code: 'OUTPUT', message: `${where}: output ${show(output.name ?? '')} is made by no node` });
  }
}

function checkNode(node: NodeProto, label: string, walk: Walk): void {
  const domain = domainName(node.domain);
  if (!node.opType) walk.problems.push({ code: 'NODE', message: `${walk.where}: ${label} names no operator` });
  else if (!walk.imports.has(domain) && !walk.functions.has(`${domain}:${node.opType}`))
    walk.problems.push({ code: 'OPSET', message: `${walk.where}: ${label} is of domain ${show(domain)}, which is not imported` });
}

function checkAttribute(attribute: AttributeProto, label: string, known: ReadonlySet<string>, walk: Walk): void {
  const where = `${walk.where} > ${label}.${attribute.name ?? ''}`;
  if (!attribute.name) walk.problems.push({ code: 'ATTRIBUTE', message: `${walk.where}: ${label} has an attribute without a name` });
  if (attribute.t) checkTensor(attribute.t, { ...walk, where });
  for (const graph of [...(attribute.g ? [attribute.g] : []), ...(attribute.graphs ?? [])]) checkGraph(graph, known, { ...walk, where });
}

/** Bytes per element of raw data; element types of fewer than 8 bits and strings have no fixed size here. */
const ELEMENT_BYTES: Readonly<Record<number, number>> = {
  [DataType.FLOAT]: 4,
  [DataType.UINT8]: 1,
  [DataType.INT8]: 1,
  [DataType.UINT16]: 2,
  [DataType.INT16]: 2,
  [DataType.INT32]: 4,
  [DataType.INT64]: 8,
  [DataType.BOOL]: 1,
  [DataType.FLOAT16]: 2,
  [DataType.DOUBLE]: 8,
  [DataType.UINT32]: 4,
  [DataType.UINT64]: 8,
  [DataType.COMPLEX64]: 8,
  [DataType.COMPLEX128]: 16,
  [DataType.BFLOAT16]: 2,
};

function checkTensor(tensor: TensorProto, walk: Walk): void {
  const label = `${walk.where}: tensor ${show(tensor.name ?? '')}`;
  if ((tensor.dataLocation ?? 0) !== 0 || (tensor.externalData ?? []).length > 0) {
    walk.problems.push(keptElsewhere(tensor, walk.where));
    return;
  }
  if (!tensor.dataType) walk.problems.push({ code: 'TENSOR', message: `${label} has no element type` });
  const dims = (tensor.dims ?? []).map((dim) => int64(dim));
  if (dims.some((dim) => dim < 0n)) {
    walk.problems.push({ code: 'TENSOR', message: `${label} has a negative dimension` });
    return;
  }
  const elements = dims.reduce((product, dim) => product * dim, 1n);
  const size = ELEMENT_BYTES[tensor.dataType ?? 0];
  if (size === undefined || !tensor.rawData || tensor.rawData.length === 0) return;
  if (BigInt(tensor.rawData.length) !== elements * BigInt(size))
    walk.problems.push({
      code: 'TENSOR',
      message: `${label} of shape [${dims.join(', ')}] needs ${elements * BigInt(size)} bytes and has ${tensor.rawData.length}`,
    });
}

function show(name: string): string {
  return JSON.stringify(name);
}
