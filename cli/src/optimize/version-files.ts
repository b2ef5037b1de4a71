import { inlineExternalData, type FileBeside } from '@millrace/onnx';
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { parseDocument } from 'yaml';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import { folderName } from '../folder-name.js';
import type { Io } from '../io.js';
import { Progress } from '../output/progress.js';
import type { VersionReference } from './model-reference.js';

/** The files of a version; a version that is one file has it as `.`. */
export interface VersionFiles {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Which of them is the graph. */
  readonly graph: string;
  /** The graph, with the weights that lie in other files. */
  readonly bytes: Uint8Array;
  /** Files whose weights are in `bytes`. */
  readonly weights: ReadonlySet<string>;
}

const SINGLE_FILE = '.';

/** A file as a version's list has it. */
export interface ListedFile {
  readonly path: string;
  readonly size: number;
  /** Of a version that is one file: what it is fetched by, since a URL that ends in a dot loses it. */
  readonly name?: string;
}

/** Where a file of a version is fetched. `base` is where its list is. */
export function filePath(base: string, { path, name = path }: ListedFile): string {
  return `${base}/${name.split('/').map(encodeURIComponent).join('/')}`;
}

export async function readVersion(client: MillraceClient, io: Io, { name, version }: VersionReference): Promise<VersionFiles> {
  const base = `/api/v1/models/${encodeURIComponent(name)}/versions/${version}/files`;
  const listed = await client.json<{ files: readonly ListedFile[] }>('GET', base);
  const files = new Map<string, Uint8Array>();
  const progress = new Progress(
    io,
    listed.files.reduce((sum, { size }) => sum + size, 0),
  );
  try {
    for (const file of listed.files) {
      const { path } = file;
      const response = await client.transfer('GET', filePath(base, file));
      const bytes = new Uint8Array(await response.arrayBuffer());
      progress.add(path, bytes.length);
      files.set(path, bytes);
    }
  } finally {
    progress.end();
  }
  const graph = graphOf(files, `${name} version ${version}`);
  const folder = posix.dirname(graph);
  const beside = (location: string): string => posix.join(folder, location);
  const { bytes, taken } = wholeGraph(
    files.get(graph) as Uint8Array,
    (location) => files.get(beside(location)),
    `${name} version ${version}`,
  );
  return { files, graph, bytes, weights: new Set([...taken].map(beside)) };
}

/** What has more weights than fit into one graph is of no use to who asked. */
function wholeGraph(graph: Uint8Array, fileOf: FileBeside, label: string): ReturnType<typeof inlineExternalData> {
  try {
    return inlineExternalData(graph, fileOf);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'MR_ONNX_TOO_LARGE') throw cause;
    throw new CliError(`${label}: ${(cause as Error).message}`, EXIT.refused, { cause });
  }
}

/** As the gateway finds it: the only file, the one the MLmodel names, or the only one that ends in .onnx. */
function graphOf(files: ReadonlyMap<string, Uint8Array>, label: string): string {
  if (files.has(SINGLE_FILE)) return SINGLE_FILE;
  const descriptor = files.get('MLmodel');
  const named = descriptor && parseDocument(textOf(descriptor)).getIn(['flavors', 'onnx', 'data']);
  if (typeof named === 'string' && files.has(named)) return named;
  const found = [...files.keys()].filter((path) => path.endsWith('.onnx'));
  if (found.length === 1) return found[0] as string;
  const what =
    found.length === 0 ? 'has no ONNX graph; only those are optimized (docs/how-to/serve-a-python-model.md)' : 'has several ONNX graphs';
  throw new CliError(`${label} ${what}`, EXIT.refused);
}

/** The files of a version with another graph: what is beside it stays, but for weights of the old one, so that other clients load the new version as they did the old. */
export function withGraph({ files, graph, weights }: VersionFiles, bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const changed = new Map([...files, [graph, bytes]]);
  for (const file of weights) changed.delete(file);
  const descriptor = files.get('MLmodel');
  if (!descriptor) return changed;
  const document = parseDocument(textOf(descriptor));
  if (document.has('model_size_bytes')) {
    const others = [...changed].filter(([path]) => path !== 'MLmodel').reduce((sum, [, file]) => sum + file.length, 0);
    document.set('model_size_bytes', others);
    changed.set('MLmodel', new TextEncoder().encode(document.toString()));
  }
  return changed;
}

/** Puts files into the artifact store, in a folder that their bytes name: the same files again take the same place. Gives the source of a version. */
export async function storeFiles(client: MillraceClient, name: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const digest = createHash('sha256');
  for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) digest.update(`${path}\0${bytes.length}\0`).update(bytes);
  const folder = `optimized-models/${folderName(name)}/${digest.digest('hex').slice(0, 32)}`;
  for (const [path, bytes] of files) {
    const target = path === SINGLE_FILE ? 'model.onnx' : path;
    const url = `/api/2.0/mlflow-artifacts/artifacts/${folder}/${target.split('/').map(encodeURIComponent).join('/')}`;
    await client.transfer('PUT', url, Readable.from([bytes]));
  }
  return `mlflow-artifacts:/${folder}`;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
