import { joinArtifactPath, type ArtifactInfo, type ArtifactStore } from '@millrace/artifact-store';
import { checkModel, FEATURES_METADATA, metadataOf, readModel, signatureOf } from '@millrace/onnx';
import { parse } from 'yaml';
import type { VersionView } from '../queries/registry-view.js';

/** What a model takes and gives, as far as its files say. */
export interface ModelInterface {
  /** Flavours of its MLmodel, or `onnx` for a plain file. */
  readonly flavours: readonly string[];
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
  readonly outputs: readonly { readonly name: string; readonly type: string }[];
  /** Names of the values one row needs; `undefined` when the files do not say. */
  readonly columns: readonly string[] | undefined;
  /** Why something is not known. */
  readonly problem: string | undefined;
  /** `license` of the MLmodel's metadata. */
  readonly licence: string | undefined;
}

interface MlModel {
  readonly flavors?: Readonly<Record<string, unknown>> | null;
  readonly signature?: { readonly inputs?: string; readonly outputs?: string } | null;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
}

const NOTHING: ModelInterface = { flavours: [], inputs: [], outputs: [], columns: undefined, problem: undefined, licence: undefined };
/** A graph is read whole to see its inputs; a larger one is only looked at through its MLmodel. */
const LARGEST_GRAPH = 256 << 20;
const LARGEST_MLMODEL = 4 << 20;

/** Looks into a version's files for its inputs and outputs. */
export class ModelInspector {
  constructor(private readonly store: ArtifactStore) {}

  async inspect({ version }: VersionView): Promise<ModelInterface> {
    const path = version.artifactPath;
    if (path === null) return { ...NOTHING, problem: `its source ${version.source} does not lie in the artifact store` };
    const info = await this.store.stat(path);
    if (!info) return { ...NOTHING, problem: `there is no artifact at ${path}` };
    if (!info.isDirectory)
      return info.path.endsWith('.onnx') ? this.#graph(info, NOTHING) : { ...NOTHING, problem: 'it is not an ONNX file' };
    const described = await this.#described(path);
    const graph = await this.#graphOf(path);
    return graph ? this.#graph(graph, described) : described;
  }

  async #described(root: string): Promise<ModelInterface> {
    const info = await this.store.stat(joinArtifactPath(root, 'MLmodel'));
    if (!info || info.size > LARGEST_MLMODEL) return { ...NOTHING, problem: 'it has no MLmodel file' };
    const text = (await this.#read(info.path)).toString('utf8');
    let read: unknown;
    try {
      read = parse(text) ?? {};
    } catch (error) {
      return { ...NOTHING, problem: `its MLmodel is not YAML: ${error instanceof Error ? error.message : String(error)}` };
    }
    if (typeof read !== 'object' || Array.isArray(read)) return { ...NOTHING, problem: 'its MLmodel holds no fields' };
    const { flavors, signature, metadata } = read as MlModel;
    const inputs = columnsOf(signature?.inputs);
    const licence = metadata?.['license'] ?? metadata?.['licence'];
    const isNamed = inputs.length > 0 && inputs.every(({ name }) => name !== '');
    return {
      flavours: Object.keys(flavors ?? {}),
      inputs,
      outputs: columnsOf(signature?.outputs),
      columns: isNamed ? inputs.map(({ name }) => name) : undefined,
      problem: isNamed ? undefined : 'its signature names no columns: log it with a signature (infer_signature on a data frame)',
      licence: typeof licence === 'string' ? licence : undefined,
    };
  }

  /** The only ONNX file of a model directory. */
  async #graphOf(root: string): Promise<ArtifactInfo | undefined> {
    const graphs = (await this.store.list(root)).filter((entry) => !entry.isDirectory && entry.path.endsWith('.onnx'));
    return graphs.length === 1 ? graphs[0] : undefined;
  }

  async #graph(info: ArtifactInfo, described: ModelInterface): Promise<ModelInterface> {
    const flavours = described.flavours.length > 0 ? described.flavours : ['onnx'];
    if (info.size > LARGEST_GRAPH) return { ...described, flavours };
    const unreadable = (reason: string): ModelInterface => ({
      ...described,
      flavours,
      columns: undefined,
      problem: `${info.path}: ${reason}`,
    });
    let model: ReturnType<typeof readModel>;
    try {
      model = readModel(await this.#read(info.path));
    } catch (error) {
      return unreadable(error instanceof Error ? error.message : String(error));
    }
    // Weights in other files of the version say nothing of what it takes and gives; whether they are there is seen when it is loaded.
    const problem = checkModel(model).find(({ code }) => code !== 'EXTERNAL_DATA');
    if (problem) return unreadable(problem.message);
    const { inputs, outputs } = signatureOf(model);
    const named = featuresOf(metadataOf(model));
    const isPerColumn = inputs.every(({ shape }) => (shape?.length ?? 2) < 2 || shape?.[1] === 1);
    // What the graph itself says comes before what was written beside it.
    const columns = named ?? (isPerColumn ? inputs.map(({ name }) => name) : described.columns);
    const type = ({ datatype, shape }: { datatype: string; shape: readonly number[] | undefined }): string =>
      `${datatype}[${shape?.join(', ') ?? '?'}]`;
    return {
      ...described,
      flavours,
      inputs: inputs.map((one) => ({ name: one.name, type: type(one) })),
      outputs: outputs.map((one) => ({ name: one.name, type: type(one) })),
      columns,
      problem: columns ? undefined : `it takes one tensor; name its columns in the model's metadata entry ${FEATURES_METADATA}`,
    };
  }

  async #read(path: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of (await this.store.get(path)) as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
}

function featuresOf(metadata: ReadonlyMap<string, string>): readonly string[] | undefined {
  const text = metadata.get(FEATURES_METADATA);
  if (text === undefined) return undefined;
  try {
    const names: unknown = JSON.parse(text);
    return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
  } catch {
    return undefined;
  }
}

/** MLflow keeps a signature's columns as JSON text: `[{"name", "type"}]`, or `[{"type": "tensor", ...}]`. */
function columnsOf(text: string | undefined): { name: string; type: string }[] {
  if (text === undefined) return [];
  try {
    const columns: unknown = JSON.parse(text);
    if (!Array.isArray(columns)) return [];
    return (columns as { name?: unknown; type?: unknown }[]).map(({ name, type }) => ({
      name: typeof name === 'string' ? name : '',
      type: typeof type === 'string' ? type : 'unknown',
    }));
  } catch {
    return [];
  }
}
