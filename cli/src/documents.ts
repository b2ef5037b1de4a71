import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CliError, EXIT } from './cli-error.js';
import type { Io } from './io.js';

export interface Documents {
  /** All documents as one text, in the order of the files. */
  readonly text: string;
  readonly count: number;
  /** Where the n-th document (from 1) was read: `dir/file.yaml, document 2`. */
  readonly origin: (index: number) => string;
}

const RESOURCE_FILE = /\.(ya?ml|json)$/;

/** Reads what `-f` names: files, folders (their .yaml, .yml and .json, deep, by name), and `-` for standard input. */
export async function readDocuments(paths: readonly string[], io: Io): Promise<Documents> {
  const texts: string[] = [];
  const origins: string[] = [];
  for (const path of paths) {
    for (const { name, text } of path === '-' ? [{ name: 'standard input', text: await io.stdin() }] : await readPath(path)) {
      const count = countDocuments(text);
      for (let n = 1; n <= count; n++) origins.push(count === 1 ? name : `${name}, document ${n}`);
      texts.push(text);
    }
  }
  return { text: texts.join('\n---\n'), count: origins.length, origin: (index) => origins[index - 1] ?? `document ${index}` };
}

async function readPath(path: string): Promise<{ name: string; text: string }[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [{ name: path, text: await readFile(path, 'utf8') }];
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const names = entries
      .filter((entry) => entry.isFile() && RESOURCE_FILE.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name));
    if (names.length === 0) throw new CliError(`${path} holds no .yaml, .yml or .json file`, EXIT.usage);
    return await Promise.all(names.sort().map(async (name) => ({ name, text: await readFile(name, 'utf8') })));
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new CliError(code === 'ENOENT' ? `${path} does not exist` : `cannot read ${path}: ${message}`, EXIT.usage, { cause });
  }
}

/** As the server counts them: an empty document is none, a list is as many as it has items. */
function countDocuments(text: string): number {
  const parsed = parseAllDocuments(text);
  if (!Array.isArray(parsed)) return 0;
  let count = 0;
  for (const document of parsed) {
    if (document.errors.length > 0) count++;
    else {
      const value: unknown = safely(() => document.toJS({ maxAliasCount: 100 }));
      if (Array.isArray(value)) count += value.length;
      else if (value !== null) count++;
    }
  }
  return count;
}

function safely(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return {};
  }
}
