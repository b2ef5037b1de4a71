import type { ArtifactStore } from '@millrace/artifact-store';
import { ANY_TEXT, ONE_CHARACTER, wildcardPattern } from '@millrace/kernel';
import { constants } from 'node:fs';
import { lstat, readFile, readdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { batchFault } from './batch-fault.js';

/** A file of rows. */
export interface SourceFile {
  /** As a message names it. */
  readonly name: string;
  readonly format: 'parquet' | 'csv';
  readonly read: () => Promise<Buffer>;
}

export interface SourceFilesOptions {
  readonly artifacts: ArtifactStore;
  /** Directories outside the artifact store that an operator lets sources read; absolute. */
  readonly roots: readonly string[];
  readonly maxFileBytes: number;
}

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly isDirectory: boolean;
  readonly size: number;
}

interface Tree {
  readonly list: (directory: string) => Promise<readonly Entry[]>;
  readonly read: (path: string) => Promise<Buffer>;
  readonly nameOf: (path: string) => string;
}

const MOST_FILES = 10_000;
const FILE_SCHEME = 'file://';

/** The files that a source's `files` stands for, by name. Throws a fault that says so when there is none, or when it may not be read. */
export async function sourceFiles(options: SourceFilesOptions, files: string): Promise<SourceFile[]> {
  const { tree, pattern } = await treeOf(options, files);
  const found = await matching(tree, pattern);
  if (found.length === 0) throw batchFault(`there is no file ${files}`);
  const large = found.find(({ size }) => size > options.maxFileBytes);
  if (large) {
    const name = tree.nameOf(large.path);
    throw batchFault(
      `${name} is ${large.size} bytes long; at most ${options.maxFileBytes} are read (MILLRACE_FEATURES_MAX_FILE); cut it into parts`,
    );
  }
  return found.map(({ path }) => ({
    name: tree.nameOf(path),
    format: /\.csv$/i.test(path) ? 'csv' : 'parquet',
    read: () => tree.read(path),
  }));
}

async function treeOf({ artifacts, roots }: SourceFilesOptions, files: string): Promise<{ tree: Tree; pattern: string }> {
  if (!files.startsWith(FILE_SCHEME)) {
    const list = async (directory: string): Promise<Entry[]> =>
      (await artifacts.list(directory)).map((entry) => ({ ...entry, name: entry.path.slice(entry.path.lastIndexOf('/') + 1) }));
    const read = async (path: string): Promise<Buffer> => buffer(await artifacts.get(path));
    return { tree: { list, read, nameOf: (path) => path }, pattern: files };
  }
  const path = files.slice(FILE_SCHEME.length);
  const root = roots.find((directory) => path.startsWith(directory.endsWith('/') ? directory : `${directory}/`));
  if (root === undefined) {
    const allowed = roots.length === 0 ? 'none is set' : `those are ${roots.join(', ')}`;
    throw batchFault(`${files} is not below a directory that may be read (MILLRACE_FEATURES_FILE_ROOTS: ${allowed})`);
  }
  return { tree: await directoryTree(root), pattern: path.slice(root.length).replace(/^\/+/, '') };
}

/** A directory an operator has named. What a symbolic link leads to elsewhere is not in it. */
async function directoryTree(root: string): Promise<Tree> {
  const real = await realpath(root).catch(() => {
    throw batchFault(`directory ${root} of MILLRACE_FEATURES_FILE_ROOTS is not there`);
  });
  const inside = async (path: string): Promise<string | undefined> => {
    const found = await realpath(join(real, path)).catch(() => undefined);
    return found !== undefined && (found === real || found.startsWith(real.endsWith(sep) ? real : real + sep)) ? found : undefined;
  };
  const list = async (directory: string): Promise<Entry[]> => {
    const target = await inside(directory);
    if (target === undefined) return [];
    const names = await readdir(target).catch(() => []);
    const entries = await Promise.all(
      names.map(async (name) => {
        const path = directory === '' ? name : `${directory}/${name}`;
        const own = await inside(path);
        const found = own === undefined ? undefined : await lstat(own).catch(() => undefined);
        return found && { name, path, isDirectory: found.isDirectory(), size: found.size };
      }),
    );
    return entries.filter((entry) => entry !== undefined);
  };
  const read = async (path: string): Promise<Buffer> => {
    const target = await inside(path);
    if (target === undefined) throw batchFault(`${join(root, path)} is not there any more`);
    return readFile(target, { flag: constants.O_RDONLY | constants.O_NOFOLLOW });
  };
  return { list, read, nameOf: (path) => join(root, path) };
}

/** Files whose path has the pattern's parts: `*` any letters, `?` one, neither of them a slash. */
async function matching(tree: Tree, pattern: string): Promise<Entry[]> {
  const parts = pattern.split('/');
  let directories = [''];
  for (const [depth, part] of parts.entries()) {
    const isLast = depth === parts.length - 1;
    const test = partTest(part);
    const found: Entry[] = [];
    for (const directory of directories) {
      for (const entry of await tree.list(directory)) if (entry.isDirectory !== isLast && test.test(entry.name)) found.push(entry);
      if (found.length > MOST_FILES) throw batchFault(`${pattern} matches more than ${MOST_FILES} files; name fewer`);
    }
    if (isLast) return found.sort((a, b) => (a.path < b.path ? -1 : 1));
    directories = found.map(({ path }) => path);
  }
  return [];
}

function partTest(part: string): RegExp {
  return wildcardPattern([...part].map((unit) => (unit === '*' ? ANY_TEXT : unit === '?' ? ONE_CHARACTER : unit)));
}
