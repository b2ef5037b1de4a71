import { AttributeType, DataType, type GraphProto, type ModelProto, type NodeProto, type ValueInfoProto } from './onnx-types.js';

/**
 * Gives a model FP32 inputs and outputs where it has FP16 or BF16 ones: a Cast behind each such input and before each such output, under the same
 * names. What is computed stays as it was, and every half precision is exactly an FP32. For runtimes that compute in half precision but cannot take
 * or give it. Changes the model in place; returns the inputs and outputs it changed.
 */
export function widenHalfPrecision(model: ModelProto): string[] {
  const graph = model.graph;
  if (!graph) return [];
  const constants = new Set((graph.initializer ?? []).map((tensor) => tensor.name));
  const inputs = (graph.input ?? []).filter((value) => isHalf(value) && !constants.has(value.name));
  const outputs = (graph.output ?? []).filter(isHalf);
  if (inputs.length + outputs.length === 0) return [];
  const taken = namesIn(graph);
  const renames = new Map<string, string>();
  for (const value of [...inputs, ...outputs]) renames.set(nameOf(value), freeName(`${nameOf(value)}_half`, taken));
  renameIn(graph, renames);
  for (const tensor of graph.initializer ?? []) tensor.name = renames.get(tensor.name ?? '') ?? tensor.name ?? '';
  const before = inputs.map((value) => cast(nameOf(value), renames.get(nameOf(value)) as string, elemTypeOf(value), taken));
  // An input that is handed through as an output is there already, as it came.
  const made = outputs.filter(({ name }) => !inputs.some((input) => input.name === name));
  const after = made.map((value) => cast(renames.get(nameOf(value)) as string, nameOf(value), DataType.FLOAT, taken));
  graph.node = [...before, ...(graph.node ?? []), ...after];
  for (const value of [...inputs, ...outputs]) if (value.type?.tensorType) value.type.tensorType.elemType = DataType.FLOAT;
  return [...renames.keys()];
}

function nameOf(value: ValueInfoProto): string {
  return value.name ?? '';
}

function isHalf(value: ValueInfoProto): boolean {
  const type = elemTypeOf(value);
  return type === DataType.FLOAT16 || type === DataType.BFLOAT16;
}

function elemTypeOf(value: ValueInfoProto): number {
  return value.type?.tensorType?.elemType ?? 0;
}

function cast(from: string, to: string, elemType: number, taken: Set<string>): NodeProto {
  const name = freeName(`Cast_${to}`, taken);
  return { opType: 'Cast', name, input: [from], output: [to], attribute: [{ name: 'to', type: AttributeType.INT, i: elemType }] };
}

function freeName(wished: string, taken: Set<string>): string {
  let name = wished;
  for (let number = 2; taken.has(name); number++) name = `${wished}_${number}`;
  taken.add(name);
  return name;
}

/** Every name of a value or a node, those of subgraphs too. */
function namesIn(graph: GraphProto, names = new Set<string>()): Set<string> {
  for (const value of [...(graph.input ?? []), ...(graph.initializer ?? [])]) names.add(value.name ?? '');
  for (const node of graph.node ?? []) {
    names.add(node.name ?? '');
    for (const name of [...(node.input ?? []), ...(node.output ?? [])]) names.add(name);
    for (const inner of subgraphsOf(node)) namesIn(inner, names);
  }
  return names;
}

/** Renames values in what nodes read and make. A subgraph sees the names around it, except those it makes its own. */
function renameIn(graph: GraphProto, renames: ReadonlyMap<string, string>): void {
  const renamed = (names: readonly string[] | null | undefined): string[] => (names ?? []).map((name) => renames.get(name) ?? name);
  for (const node of graph.node ?? []) {
    node.input = renamed(node.input);
    node.output = renamed(node.output);
    for (const inner of subgraphsOf(node)) {
      const own = new Set([...(inner.input ?? []), ...(inner.initializer ?? [])].map((value) => value.name));
      for (const innerNode of inner.node ?? []) for (const name of innerNode.output ?? []) own.add(name);
      const visible = new Map([...renames].filter(([name]) => !own.has(name)));
      renameIn(inner, visible);
      for (const output of inner.output ?? []) output.name = visible.get(output.name ?? '') ?? output.name ?? '';
    }
  }
  for (const value of graph.valueInfo ?? []) value.name = renames.get(value.name ?? '') ?? value.name ?? '';
}

function subgraphsOf(node: NodeProto): GraphProto[] {
  return (node.attribute ?? []).flatMap((attribute) => [...(attribute.g ? [attribute.g] : []), ...(attribute.graphs ?? [])]);
}
