import { DataType, type GraphProto, type ModelProto, type NodeProto, type ValueInfoProto } from './onnx-types.js';

/**
 * Makes a model take and give FP32 where it took and gave FP16 or BF16, by casts right behind its inputs and before its outputs: nothing
 * within it changes, and every half precision is exactly an FP32. For runtimes that have no such tensors. Changes the model in place;
 * returns the inputs and outputs it changed.
 */
export function widenHalfPrecision(model: ModelProto): string[] {
  const graph = model.graph;
  if (!graph) return [];
  const constants = new Set((graph.initializer ?? []).map((tensor) => tensor.name));
  const inputs = (graph.input ?? []).filter((value) => isHalf(value) && !constants.has(value.name));
  const outputs = (graph.output ?? []).filter(isHalf);
  const before: NodeProto[] = [];
  const after: NodeProto[] = [];
  for (const value of inputs) {
    const [name, type] = [value.name ?? '', elemTypeOf(value)];
    rename(graph, name, inner(name));
    before.push(cast(name, inner(name), type));
    widen(value);
  }
  for (const value of outputs) {
    const name = value.name ?? '';
    // An output that is an input by name has been renamed with it already.
    if (!inputs.some((input) => input.name === name)) rename(graph, name, inner(name));
    after.push(cast(inner(name), name, DataType.FLOAT));
    widen(value);
  }
  graph.node = [...before, ...(graph.node ?? []), ...after];
  return [...inputs, ...outputs].map((value) => value.name ?? '');
}

function inner(name: string): string {
  return `${name}__millrace_half`;
}

function isHalf(value: ValueInfoProto): boolean {
  const type = elemTypeOf(value);
  return type === DataType.FLOAT16 || type === DataType.BFLOAT16;
}

function elemTypeOf(value: ValueInfoProto): number {
  return value.type?.tensorType?.elemType ?? 0;
}

function widen(value: ValueInfoProto): void {
  value.type = { tensorType: { ...value.type?.tensorType, elemType: DataType.FLOAT } };
}

function cast(from: string, to: string, type: number): NodeProto {
  return { opType: 'Cast', name: `${from}->${to}`, input: [from], output: [to], attribute: [{ name: 'to', type: 2, i: type }] };
}

/** Of what nodes take and make, in subgraphs too: names are the same throughout. */
function rename(graph: GraphProto, from: string, to: string): void {
  const renamed = (names: string[] | null | undefined): string[] => (names ?? []).map((name) => (name === from ? to : name));
  for (const node of graph.node ?? []) {
    node.input = renamed(node.input);
    node.output = renamed(node.output);
    for (const attribute of node.attribute ?? []) {
      for (const subgraph of [...(attribute.g ? [attribute.g] : []), ...(attribute.graphs ?? [])]) {
        rename(subgraph, from, to);
        for (const output of subgraph.output ?? []) if (output.name === from) output.name = to;
      }
    }
  }
  for (const value of graph.valueInfo ?? []) if (value.name === from) value.name = to;
}
