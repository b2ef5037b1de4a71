import type { ArtifactInfo, ArtifactStore } from '@millrace/artifact-store';
import { directoryDigest, SINGLE_FILE, type SignedFile } from '@millrace/model-signing';
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { parse } from 'yaml';
import { Refusal } from '../domain/refusal.js';
import { onnxMend, type Flavors } from './onnx-mend.js';
import type { ModelVersion } from '../domain/registry/model-reference.js';
import type { ModelFiles } from './servable-model.js';
import { verifySignature, type SignatureRules } from './verify-signature.js';

export interface ArtifactLimits {
  readonly maxModelBytes: number;
  /** Files of a model directory at most. */
  readonly maxFiles: number;
}

/**
 * Reads a version's graph: a single file, or the file a model directory names in its `MLmodel` (or its only `.onnx` file), with the directory's
 * other files, in which its weights may lie. What they are is not looked at here: that takes long enough to be a thread's work.
 * Every byte is checked against the signed manifest and the digest taken at registration, so what was approved is what is served.
 */
export async function readModelArtifact(
  store: ArtifactStore,
  version: ModelVersion,
  limits: ArtifactLimits,
  signatures: SignatureRules,
  /** Told the artifact's bytes before they are read; may throw. */
  admit: (bytes: number) => void = () => undefined,
): Promise<ModelFiles> {
  const label = `${version.name} version ${version.version}`;
  const path = version.artifactPath;
  if (path === null) throw unservable(`${label}: its source ${version.source} does not lie in the artifact store`);
  const info = await store.stat(path);
  if (!info) throw unservable(`${label}: there is no artifact at ${path}`);
  const files = info.isDirectory ? await listFiles(store, path, limits, label) : [info];
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > limits.maxModelBytes) throw unservable(`${label}: ${total} bytes are more than the ${limits.maxModelBytes} a model may have`);
  admit(total);
  const contents = new Map<string, Buffer>();
  const digests: SignedFile[] = [];
  for (const file of files) {
    const { bytes, sha256 } = await readAll(store, file.path);
    contents.set(file.path, bytes);
    digests.push({ name: info.isDirectory ? file.path.slice(path.length + 1) : SINGLE_FILE, sha256 });
  }
  await verifySignature(store, version, digests, signatures);
  verifyDigest(version, digests, label);
  const model = info.isDirectory ? modelFileOf(path, contents, label) : path;
  const graph = contents.get(model) as Buffer;
  contents.delete(model);
  const beside = new Map([...contents].map(([file, bytes]) => [posix.relative(posix.dirname(model), file), bytes]));
  return { graph, beside, maxBytes: limits.maxModelBytes };
}

async function listFiles(store: ArtifactStore, root: string, limits: ArtifactLimits, label: string): Promise<ArtifactInfo[]> {
  const files: ArtifactInfo[] = [];
  const directories = [root];
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for (const entry of await store.list(directory)) {
      if (entry.isDirectory) directories.push(entry.path);
      else files.push(entry);
      if (files.length + directories.length > limits.maxFiles) throw unservable(`${label}: more than ${limits.maxFiles} files`);
    }
  }
  return files;
}

/** Digested chunk by chunk: a gigabyte at once would hold the event loop for a second. */
async function readAll(store: ArtifactStore, path: string): Promise<{ bytes: Buffer; sha256: string }> {
  const chunks: Buffer[] = [];
  const hash = createHash('sha256');
  for await (const chunk of (await store.get(path)) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    hash.update(chunk);
  }
  return { bytes: Buffer.concat(chunks), sha256: hash.digest('hex') };
}

/** Also of what is signed: the log says which version this is, the signature only that the files are rightly those of some version. */
function verifyDigest(version: ModelVersion, digests: readonly SignedFile[], label: string): void {
  if (version.digest === null) return;
  const actual = directoryDigest(digests);
  if (actual !== version.digest)
    throw unservable(`${label}: its artifact has changed since it was registered (SHA-256 ${actual}, registered ${version.digest})`);
}

function modelFileOf(root: string, contents: ReadonlyMap<string, Buffer>, label: string): string {
  const descriptor = contents.get(`${root}/MLmodel`);
  const flavors = flavorsOf(descriptor, label);
  if (descriptor) {
    const data = flavors['onnx']?.data;
    if (typeof data === 'string' && contents.has(`${root}/${data}`)) return `${root}/${data}`;
    if (data !== undefined) throw unservable(`${label}: its MLmodel names ${JSON.stringify(data)}, which is not there`);
  }
  const candidates = [...contents.keys()].filter((path) => path.endsWith('.onnx'));
  const [only] = candidates;
  if (only === undefined && Object.keys(flavors).length > 0) throw unservable(`${label} ${onnxMend(flavors)}`);
  if (only === undefined || candidates.length > 1)
    throw unservable(`${label}: expected one .onnx file below ${root} and found ${candidates.length}; log the model with its onnx flavour`);
  return only;
}

function flavorsOf(descriptor: Buffer | undefined, label: string): Flavors {
  if (!descriptor) return {};
  let read: unknown;
  try {
    read = parse(descriptor.toString('utf8'));
  } catch (error) {
    throw unservable(`${label}: its MLmodel is not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  const flavors = (read as { flavors?: unknown } | null)?.flavors;
  return typeof flavors === 'object' && flavors !== null ? (flavors as Flavors) : {};
}

function unservable(message: string): Refusal {
  return new Refusal('MR_INFERENCE_UNSERVABLE', message);
}
