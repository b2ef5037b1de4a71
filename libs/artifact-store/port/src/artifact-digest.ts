import { createHash } from 'node:crypto';
import type { ArtifactStore } from './artifact-store.js';

export interface ArtifactDigest {
  /**
   * Lower-case hex SHA-256. Of a file: of its bytes. Of a directory: of the text `<sha256 of the file>  <path below the directory>\n`
   * for each file below it, in the order of the paths' UTF-8 bytes (what `sha256sum` prints).
   */
  readonly sha256: string;
  /** Bytes of all files. */
  readonly size: number;
  readonly files: number;
}

/** Reads a file or a directory and digests it; `undefined` when there is nothing at `path`. */
export async function artifactDigest(store: ArtifactStore, path: string): Promise<ArtifactDigest | undefined> {
  const info = await store.stat(path);
  if (!info) return undefined;
  if (!info.isDirectory) return { ...(await fileDigest(store, path)), files: 1 };
  const paths = await filesBelow(store, path);
  if (paths.length === 0) return undefined;
  paths.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const hash = createHash('sha256');
  let size = 0;
  for (const file of paths) {
    const digest = await fileDigest(store, file);
    size += digest.size;
    hash.update(`${digest.sha256}  ${file.slice(path === '' ? 0 : path.length + 1)}\n`);
  }
  return { sha256: hash.digest('hex'), size, files: paths.length };
}

/** Paths of all files below a directory. */
async function filesBelow(store: ArtifactStore, directory: string): Promise<string[]> {
  const files: string[] = [];
  const open = [directory];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const child of await store.list(next)) {
      if (child.isDirectory) open.push(child.path);
      else files.push(child.path);
    }
  }
  return files;
}

async function fileDigest(store: ArtifactStore, path: string): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of (await store.get(path)) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest('hex'), size };
}
