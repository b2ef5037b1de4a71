import { createHash, randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { access, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { type Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { diskFaultOf } from './disk-fault.js';
import { shortageBelow } from './disk-shortage.js';
import { FilesystemMultipart } from './filesystem-multipart.js';
import {
  artifactNotFound,
  artifactSegments,
  fileSegments,
  refusedPath,
  type ArtifactInfo,
  type ArtifactStore,
  type ByteRange,
  type MultipartUploads,
  type StoredArtifact,
} from '@millrace/artifact-store';

/** Bytes read at a time: what is stored is read whole, and each chunk costs a turn of the event loop on its way out. */
const CHUNK_BYTES = 1024 * 1024;
/** Uploads grow here, inside the root so that a rename into place stays on one file system. Not an artifact path. */
const INCOMING = '.incoming';
/** An upload left by a killed process is swept after this long; a live one is never this old without a write. */
const STALE_UPLOAD_MS = 24 * 60 * 60 * 1000;

/**
 * Artifacts as files below one directory. A file is written aside, synced and renamed into place, so a reader sees the old file or
 * the new one, and a put that returned survives a crash. Symbolic links are never followed.
 */
export class FilesystemArtifactStore implements ArtifactStore {
  readonly multipart: MultipartUploads;

  private constructor(private readonly root: string) {
    this.multipart = new FilesystemMultipart(join(root, INCOMING), (path, body) => this.put(path, body));
  }

  /** Opens the store, making its directory, and sweeps uploads that a killed process left behind. */
  static async open(root: string): Promise<FilesystemArtifactStore> {
    const absolute = resolve(root);
    const incoming = join(absolute, INCOMING);
    await mkdir(incoming, { recursive: true });
    const stale = Date.now() - STALE_UPLOAD_MS;
    for (const name of await readdir(incoming)) {
      const file = join(incoming, name);
      const found = await stat(file).catch(() => undefined);
      if (found && found.mtimeMs < stale) await rm(file, { recursive: true, force: true });
    }
    return new FilesystemArtifactStore(absolute);
  }

  async put(path: string, body: Readable | Buffer): Promise<StoredArtifact> {
    const target = await this.#resolve(path, fileSegments(path));
    const found = await lstatOrNothing(target);
    if (found?.isDirectory()) throw refusedPath(path, 'there is a directory of that name');
    const incoming = join(this.root, INCOMING, randomUUID());
    try {
      const written = await writeSynced(incoming, body);
      await this.#makeParents(path, dirname(target));
      await rename(incoming, target);
      await syncDirectory(dirname(target));
      return { path, ...written };
    } catch (error) {
      await rm(incoming, { force: true });
      throw diskFaultOf(this.root, error);
    }
  }

  async get(path: string, range?: ByteRange): Promise<Readable> {
    const target = await this.#resolve(path, fileSegments(path));
    try {
      const file = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW);
      const found = await file.stat();
      if (!found.isFile()) {
        await file.close();
        throw artifactNotFound(path);
      }
      return file.createReadStream({ highWaterMark: CHUNK_BYTES, ...range });
    } catch (error) {
      throw isMissing(error) ? artifactNotFound(path) : error;
    }
  }

  async stat(path: string): Promise<ArtifactInfo | undefined> {
    const found = await lstatOrNothing(await this.#resolve(path, artifactSegments(path)));
    return found && infoOf(path, found);
  }

  async list(directory: string): Promise<readonly ArtifactInfo[]> {
    const target = await this.#resolve(directory, artifactSegments(directory));
    const names = await readdir(target).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    const children = await Promise.all(
      names
        .filter((name) => directory !== '' || name !== INCOMING)
        .map(async (name) => {
          const found = await lstatOrNothing(join(target, name));
          return found && infoOf(directory === '' ? name : `${directory}/${name}`, found);
        }),
    );
    return children.filter((child) => child !== undefined).sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  }

  async remove(path: string): Promise<void> {
    await rm(await this.#resolve(path, fileSegments(path)), { recursive: true, force: true });
  }

  uri(path: string): string {
    return pathToFileURL(join(this.root, ...artifactSegments(path))).href;
  }

  async ping(): Promise<void> {
    await access(this.root, constants.R_OK | constants.W_OK);
  }

  shortage(): Promise<string | undefined> {
    return shortageBelow(this.root);
  }

  /** The file a path names. Refuses to pass through, or end at, a symbolic link: it could lead out of the root. */
  async #resolve(path: string, segments: readonly string[]): Promise<string> {
    if (segments[0] === INCOMING) throw refusedPath(path, `${INCOMING} is the store's own`);
    let current = this.root;
    for (const segment of segments) {
      current = join(current, segment);
      const found = await lstatOrNothing(current);
      if (!found) break;
      if (found.isSymbolicLink()) throw refusedPath(path, 'it leads through a symbolic link');
    }
    return join(this.root, ...segments);
  }

  /** Makes the directories above a file and syncs each new one into its parent. */
  async #makeParents(path: string, directory: string): Promise<void> {
    let first: string | undefined;
    try {
      first = await mkdir(directory, { recursive: true });
    } catch (error) {
      if (codeOf(error) === 'ENOTDIR' || codeOf(error) === 'EEXIST') throw refusedPath(path, 'a file stands where a directory is needed');
      throw error;
    }
    if (first === undefined) return;
    let made = dirname(first);
    await syncDirectory(made);
    for (const name of relative(made, directory).split(sep)) {
      made = join(made, name);
      await syncDirectory(made);
    }
  }
}

async function writeSynced(file: string, body: Readable | Buffer): Promise<{ size: number; sha256: string }> {
  const handle = await open(file, 'wx');
  try {
    const hash = createHash('sha256');
    let size = 0;
    const chunks = (Buffer.isBuffer(body) ? [body] : body) as AsyncIterable<Buffer | string> | Buffer[];
    for await (const chunk of chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      // The file is written while this thread takes the digest.
      const written = handle.writeFile(bytes);
      written.catch(() => undefined);
      hash.update(bytes);
      size += bytes.length;
      await written;
    }
    await handle.sync();
    return { size, sha256: hash.digest('hex') };
  } finally {
    await handle.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function infoOf(path: string, found: Stats): ArtifactInfo | undefined {
  if (found.isDirectory()) return { path, isDirectory: true, size: 0 };
  return found.isFile() ? { path, isDirectory: false, size: found.size } : undefined;
}

async function lstatOrNothing(file: string): Promise<Stats | undefined> {
  return lstat(file).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}
