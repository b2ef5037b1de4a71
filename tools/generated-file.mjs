// For the tools that write pages and documents from the sources: writes a file, or with `--check` says that it is not current.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { root } from './setup.mjs';

/** What was asked for on the command line: only to check, and the folder to work in where it is not this repository. */
export function readArguments(args = process.argv.slice(2)) {
  return { check: args.includes('--check'), folder: args.find((arg) => !arg.startsWith('--')) ?? root };
}

/**
 * Writes `text` to `path`. With `check` nothing is written: a file that is not the same ends the process with 1, after all files
 * were looked at. Markdown comes out as prettier leaves it, or `npm run format` would make the page stale.
 */
export async function writeGenerated(path, text, { check, folder, command }) {
  const wanted = path.endsWith('.md')
    ? await format(text, { ...(await resolveConfig(join(root, 'README.md'))), parser: 'markdown' })
    : text;
  if (existsSync(path) && readFileSync(path, 'utf8') === wanted) return;
  if (check) {
    console.error(`${relative(folder, path)} is not current; ${command} writes it`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, wanted);
  console.log(`wrote ${relative(folder, path)}`);
}
