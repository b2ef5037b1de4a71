import { Fault } from '@millrace/kernel';
import { readFileSync } from 'node:fs';

/** The file that a variable names; one that cannot be read is told by the variable. */
export function readNamedFile(path: string, variable: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Fault('MR_CONFIG', `${variable} names a file that cannot be read: ${why}`, false, { cause: error });
  }
}
