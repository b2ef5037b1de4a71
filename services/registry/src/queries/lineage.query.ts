import { parseVersionedName } from '@millrace/resources';
/**
 * What the lineage joins. An id tells the kind: `source:<name>`, `feature-view:<name>@<n>`, `feature-service:<name>@<n>`, `dataset:march@a1b2`, `training-set:<id>`,
 * `run:<id>`, `version:<model>/<n>`, `deployment:<name>`. A view or service without a version is the one that is applied.
 */
export const LINEAGE_KINDS = [
  'source',
  'feature-view',
  'feature-service',
  'dataset',
  'training-set',
  'run',
  'version',
  'deployment',
] as const;
export type LineageKind = (typeof LINEAGE_KINDS)[number];

export interface LineageNode {
  readonly id: string;
  readonly kind: LineageKind;
  readonly label: string;
}

/** `from` went into `to`. */
export interface LineageEdge {
  readonly from: string;
  readonly to: string;
}

export type LineageDirection = 'upstream' | 'downstream' | 'both';

export interface Lineage {
  readonly node: string;
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  /** True when there is more than the depth or the bound let in. */
  readonly truncated: boolean;
}

/** The facts a lineage is read from, as the folds of this process have them. */
export interface LineageSource {
  versions(): Iterable<{
    readonly model: string;
    readonly version: number;
    readonly runId: string | null;
    readonly deployments: readonly string[];
    /** The version it was made of: quantized, pruned or distilled. */
    readonly derivedFrom?: { readonly model: string; readonly version: number } | undefined;
  }>;
  runs(): AsyncIterable<{
    readonly runId: string;
    readonly name: string;
    readonly datasets: readonly { readonly name: string; readonly digest: string }[];
    readonly trainingSets: readonly string[];
    /** With their versions, as the run named them. */
    readonly featureServices: readonly string[];
  }>;
  /** Every version of every view there is, from its first: with its source as it was then or, computed on demand, with the views it reads. */
  views(): Iterable<{
    readonly name: string;
    readonly version: number;
    readonly source: string | undefined;
    readonly inputs: readonly { readonly name: string; readonly version: number }[];
  }>;
  /** Every version of every service there is, each with the versions of its views. */
  services(): Iterable<{
    readonly name: string;
    readonly version: number;
    readonly views: readonly { readonly name: string; readonly version: number }[];
  }>;
  /** Sources that are applied. */
  sources(): Iterable<string>;
  /** Deployments that serve from features, with the service as they name it. */
  servingFeatures(): Iterable<{ readonly deployment: string; readonly featureService: string }>;
  trainingSets(): AsyncIterable<{
    readonly id: string;
    readonly featureService: string;
    readonly version: number | null;
    /** Whose events gave the rows. */
    readonly spineSource: string | null;
    /** Whose answers gave the rows. */
    readonly spineDeployment: string | null;
  }>;
}

const MOST_NODES = 2000;

/** Everything a node came from or went into, up to `depth` steps away; `undefined` when nobody knows the node. */
export async function lineageOf(
  source: LineageSource,
  asked: string,
  direction: LineageDirection,
  depth: number,
): Promise<Lineage | undefined> {
  const graph = await graphOf(source);
  const node = graph.nodes.has(asked) ? asked : (graph.applied.get(asked) ?? asked);
  const start = graph.nodes.get(node);
  if (!start) return undefined;
  const nodes = new Map([[node, start]]);
  const edges = new Map<string, LineageEdge>();
  let isTruncated = false;
  const walk = (next: ReadonlyMap<string, ReadonlySet<string>>, edge: (here: string, there: string) => LineageEdge): void => {
    let front = [node];
    const seen = new Set(front);
    for (let step = 0; front.length > 0; step++) {
      const reached: string[] = [];
      for (const here of front) {
        for (const there of next.get(here) ?? []) {
          if (step >= depth || nodes.size >= MOST_NODES) {
            isTruncated = true;
            continue;
          }
          const one = edge(here, there);
          edges.set(`${one.from}\0${one.to}`, one);
          nodes.set(there, graph.nodes.get(there) as LineageNode);
          if (!seen.has(there)) reached.push(there);
          seen.add(there);
        }
      }
      front = reached;
    }
  };
  if (direction !== 'downstream') walk(graph.upstream, (here, there) => ({ from: there, to: here }));
  if (direction !== 'upstream') walk(graph.downstream, (here, there) => ({ from: here, to: there }));
  return { node, nodes: [...nodes.values()], edges: [...edges.values()], truncated: isTruncated };
}

interface Graph {
  readonly nodes: Map<string, LineageNode>;
  readonly upstream: Map<string, Set<string>>;
  readonly downstream: Map<string, Set<string>>;
  /** Id without a version -> that of the newest. */
  readonly applied: Map<string, string>;
}

async function graphOf(source: LineageSource): Promise<Graph> {
  const graph: Graph = { nodes: new Map(), upstream: new Map(), downstream: new Map(), applied: new Map() };
  const add = (kind: LineageKind, name: string, label = name): string => {
    const id = `${kind}:${name}`;
    if (!graph.nodes.has(id)) graph.nodes.set(id, { id, kind, label });
    return id;
  };
  const join = (from: string, to: string): void => {
    graph.upstream.set(to, (graph.upstream.get(to) ?? new Set()).add(from));
    graph.downstream.set(from, (graph.downstream.get(from) ?? new Set()).add(to));
  };
  const addVersion = (kind: 'feature-view' | 'feature-service', name: string, version: number): string => {
    const id = add(kind, `${name}@${version}`, `${name} version ${version}`);
    graph.applied.set(`${kind}:${name}`, id);
    return id;
  };
  /** A service as somebody named it: with its version, or as it is applied. */
  const serviceNamed = (name: string): string => graph.applied.get(`feature-service:${name}`) ?? add('feature-service', name);
  for (const name of source.sources()) add('source', name);
  const viewVersion = ({ name, version }: { readonly name: string; readonly version: number }): string =>
    add('feature-view', `${name}@${version}`, `${name} version ${version}`);
  for (const { name, version, source: from, inputs } of source.views()) {
    const view = addVersion('feature-view', name, version);
    if (from !== undefined) join(add('source', from), view);
    for (const input of inputs) join(viewVersion(input), view);
  }
  for (const { name, version, views } of source.services()) {
    const service = addVersion('feature-service', name, version);
    for (const view of views) join(viewVersion(view), service);
  }
  for await (const { id, featureService, version, spineSource, spineDeployment } of source.trainingSets()) {
    const set = add('training-set', id);
    const name = parseVersionedName(featureService).name;
    join(version === null ? serviceNamed(featureService) : add('feature-service', `${name}@${version}`), set);
    if (spineSource !== null) join(add('source', spineSource), set);
    if (spineDeployment !== null) join(add('deployment', spineDeployment), set);
  }
  for await (const { runId, name, datasets, trainingSets, featureServices } of source.runs()) {
    const run = add('run', runId, name);
    for (const dataset of datasets) join(add('dataset', `${dataset.name}@${dataset.digest}`, dataset.name), run);
    for (const id of trainingSets) join(add('training-set', id), run);
    for (const service of featureServices) join(serviceNamed(service), run);
  }
  const addModelVersion = (model: string, version: number): string => add('version', `${model}/${version}`, `${model} version ${version}`);
  for (const { model, version, runId, deployments, derivedFrom } of source.versions()) {
    const here = addModelVersion(model, version);
    if (derivedFrom) join(addModelVersion(derivedFrom.model, derivedFrom.version), here);
    if (runId !== null) join(add('run', runId), here);
    for (const deployment of deployments) join(here, add('deployment', deployment));
  }
  for (const { deployment, featureService } of source.servingFeatures()) join(serviceNamed(featureService), add('deployment', deployment));
  return graph;
}
