import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CliError, EXIT } from '../cli-error.js';
import type { ExportFiles } from './runner-files.js';

/** What is a device's own in an export, and comes along when it is written anew. */
const OWN = ['queue', 'node_modules', 'package-lock.json'];

/** Refuses a folder that is there, before anything is fetched: never what is no export, and an export only without `--force`. */
export async function checkFolder(folder: string, isForced: boolean): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CliError(`--to ${folder} cannot be read: ${error.message}`, EXIT.usage, { cause: error });
  });
  if (entries === undefined || entries.length === 0) return;
  if (!entries.includes('manifest.json') || !entries.includes('model.onnx'))
    throw new CliError(`--to ${folder} is there and is no export; give another folder`, EXIT.usage);
  if (!isForced) throw new CliError(`--to ${folder} is an export already; --force writes it anew, its queue stays`, EXIT.usage);
}

/** Writes a folder whole or not at all: into one beside it, which then takes its place. */
export async function writeExport(folder: string, files: ExportFiles): Promise<void> {
  const target = resolve(folder);
  const beside = (what: string): string => join(dirname(target), `.${basename(target)}.${what}-${process.pid}`);
  const [fresh, old] = [beside('new'), beside('old')];
  try {
    for (const [path, bytes] of files) {
      await mkdir(dirname(join(fresh, path)), { recursive: true });
      await writeFile(join(fresh, path), bytes);
    }
    if (await isThere(target)) {
      await rename(target, old);
      for (const name of OWN) if (await isThere(join(old, name))) await rename(join(old, name), join(fresh, name));
    }
    await rename(fresh, target);
    await rm(old, { recursive: true, force: true });
  } catch (cause) {
    // What stood there before stands there again, with what is its own.
    if ((await isThere(old)) && !(await isThere(target))) {
      for (const name of OWN) if (await isThere(join(fresh, name))) await rename(join(fresh, name), join(old, name));
      await rename(old, target);
    }
    await rm(fresh, { recursive: true, force: true });
    throw new CliError(`--to ${folder} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, {
      cause,
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
