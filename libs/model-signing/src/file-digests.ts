import type { ArtifactInfo, ArtifactStore } from '@millrace/artifact-store';
import { createHash } from 'node:crypto';
import type { SignedFile } from './bundle.js';
import { SINGLE_FILE } from './compare-files.js';

/** The files of a model in the store, by path below it; empty when there is nothing. */
export async function filesOf(store: ArtifactStore, root: string): Promise<{ name: string; info: ArtifactInfo }[]> {
  const info = await store.stat(root);
  if (!info) return [];
  if (!info.isDirectory) return [{ name: SINGLE_FILE, info }];
  const found: { name: string; info: ArtifactInfo }[] = [];
  const open = [root];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const child of await store.list(next)) {
      if (child.isDirectory) open.push(child.path);
      else found.push({ name: child.path.slice(root.length + 1), info: child });
    }
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** Reads every file of a model and digests it. */
export async function fileDigests(store: ArtifactStore, root: string): Promise<SignedFile[]> {
  const digests: SignedFile[] = [];
  for (const { name, info } of await filesOf(store, root)) {
    const hash = createHash('sha256');
    for await (const chunk of (await store.get(info.path)) as AsyncIterable<Buffer>) hash.update(chunk);
    digests.push({ name, sha256: hash.digest('hex') });
  }
  return digests;
}
