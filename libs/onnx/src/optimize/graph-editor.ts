import { int64, type AttributeProto, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from '../onnx-types.js';

/** Values a subgraph (of If, Loop, Scan) reads by name, those of the graphs around it among them. */
function* readIn(graph: GraphProto): Generator<string> {
  for (const node of graph.node ?? []) yield* readBy(node);
  for (const output of graph.output ?? []) yield output.name ?? '';
}

/** Every value a node reads: its inputs, and what its subgraphs read. */
export function* readBy(node: NodeProto): Generator<string> {
  for (const name of node.input ?? []) if (name !== '') yield name;
  for (const graph of subgraphsOf(node)) yield* readIn(graph);
}

export function subgraphsOf(node: NodeProto): GraphProto[] {
  return (node.attribute ?? []).flatMap(({ g, graphs }) => [...(g ? [g] : []), ...(graphs ?? [])]);
}

/** The default domain has two names. */
export function isOf(node: NodeProto, opType: string): boolean {
  return node.opType === opType && isDefaultDomain(node.domain);
}

function isDefaultDomain(domain: string | null | undefined): boolean {
  return (domain ?? '') === '' || domain === 'ai.onnx';
}

export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute?.find((attribute) => attribute.name === name);
}

export function integerAttribute(node: NodeProto, name: string, otherwise: number): number {
  const value = attributeOf(node, name)?.i;
  return value === null || value === undefined ? otherwise : Number(int64(value));
}

export function floatAttribute(node: NodeProto, name: string, otherwise: number): number {
  return attributeOf(node, name)?.f ?? otherwise;
}

/**
 * A model's graph while it is rewritten: who makes a value, who reads it, which values are constants. Initializers listed among the
 * inputs (IR version 3) become constants, as everywhere here ({@link signatureOf}); the IR version is raised to 4, which allows it.
 */
export class GraphEditor {
  readonly graph: GraphProto;
  nodes: NodeProto[];
  readonly constants = new Map<string, TensorProto>();
  readonly #names = new Set<string>();

  constructor(readonly model: ModelProto) {
    this.graph = model.graph ?? {};
    this.nodes = [...(this.graph.node ?? [])];
    for (const tensor of this.graph.initializer ?? []) this.constants.set(tensor.name ?? '', tensor);
    this.graph.input = (this.graph.input ?? []).filter((input) => !this.constants.has(input.name ?? ''));
    if (int64(model.irVersion) < 4n) model.irVersion = 4;
    const collect = (graph: GraphProto): void => {
      for (const value of [...(graph.input ?? []), ...(graph.initializer ?? [])]) this.#names.add(value.name ?? '');
      for (const node of graph.node ?? []) {
        for (const name of [...(node.output ?? []), node.name ?? '']) this.#names.add(name);
        subgraphsOf(node).forEach(collect);
      }
    };
    collect(this.graph);
    for (const name of this.constants.keys()) this.#names.add(name);
  }

  /** Version of the default operator set; 0 when it is not imported. */
  get opset(): number {
    return Number(int64(this.model.opsetImport?.find(({ domain }) => isDefaultDomain(domain))?.version));
  }

  /** A name nothing in the model has. */
  freshName(wanted: string): string {
    let name = wanted;
    for (let number = 2; this.#names.has(name); number++) name = `${wanted}_${number}`;
    this.#names.add(name);
    return name;
  }

  isOutput(name: string): boolean {
    return (this.graph.output ?? []).some((output) => output.name === name);
  }

  /** How often each value is read, the graph's outputs counted as a read. */
  uses(): Map<string, number> {
    const uses = new Map<string, number>();
    const use = (name: string): void => void uses.set(name, (uses.get(name) ?? 0) + 1);
    for (const node of this.nodes) for (const name of readBy(node)) use(name);
    for (const output of this.graph.output ?? []) use(output.name ?? '');
    return uses;
  }

  /** Value -> the node that makes it. */
  producers(): Map<string, NodeProto> {
    return new Map(this.nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  }

  addConstant(tensor: TensorProto): string {
    this.constants.set(tensor.name ?? '', tensor);
    return tensor.name ?? '';
  }

  /** Makes every reader of one value read another, in subgraphs too. The graph's outputs keep their names. */
  rename(from: string, to: string): void {
    const within = (nodes: readonly NodeProto[]): void => {
      for (const node of nodes) {
        if (node.input?.includes(from)) node.input = node.input.map((name) => (name === from ? to : name));
        for (const graph of subgraphsOf(node)) {
          within(graph.node ?? []);
          for (const output of graph.output ?? []) if (output.name === from) output.name = to;
        }
      }
    };
    within(this.nodes);
  }

  /** Puts other nodes in the place of one. */
  replace(node: NodeProto, others: readonly NodeProto[]): void {
    this.nodes = this.nodes.flatMap((one) => (one === node ? others : [one]));
  }

  /** Writes what was changed into the model. */
  finish(): void {
    this.graph.node = this.nodes;
    this.graph.initializer = [...this.constants.values()];
  }
}
