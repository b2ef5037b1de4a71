import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The text of one of the example's resource files. */
export function definitions(file: string): string {
  return readFileSync(join(import.meta.dirname, '..', file), 'utf8');
}
