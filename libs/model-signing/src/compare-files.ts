import { createHash } from 'node:crypto';
import type { SignedFile } from './bundle.js';

/** What the format calls the only file of a model that is no directory. */
export const SINGLE_FILE = '.';

export interface FileDifference {
  readonly file: string;
  /** `changed`: other bytes than were signed; `missing`: signed and gone; `added`: there and not signed. */
  readonly kind: 'changed' | 'missing' | 'added';
  readonly expected: string | null;
  readonly actual: string | null;
}

/** In what the files that are there differ from those that were signed, by name. */
export function compareFiles(signed: readonly SignedFile[], actual: readonly SignedFile[]): FileDifference[] {
  const there = new Map(actual.map(({ name, sha256 }) => [name, sha256]));
  const known = new Set(signed.map(({ name }) => name));
  const differences: FileDifference[] = [];
  for (const { name, sha256 } of signed) {
    const found = there.get(name);
    if (found === undefined) differences.push({ file: name, kind: 'missing', expected: sha256, actual: null });
    else if (found !== sha256) differences.push({ file: name, kind: 'changed', expected: sha256, actual: found });
  }
  for (const { name, sha256 } of actual) {
    if (!known.has(name)) differences.push({ file: name, kind: 'added', expected: null, actual: sha256 });
  }
  return differences.sort((a, b) => Buffer.compare(Buffer.from(a.file), Buffer.from(b.file)));
}

/** The one digest that the log holds of a model's files: a file's own, or of a directory that of what `sha256sum` prints for it. */
export function directoryDigest(files: readonly SignedFile[]): string {
  const [first] = files;
  if (files.length === 1 && first?.name === SINGLE_FILE) return first.sha256;
  const lines = [...files]
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
    .map(({ name, sha256 }) => `${sha256}  ${name}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}
