import { createHash } from 'node:crypto';

/** A registered model's name as a folder of the artifact store. Names may hold what paths may not. */
export function folderName(name: string): string {
  return /^[\w-][\w.-]*$/.test(name) ? name : createHash('sha256').update(name).digest('hex').slice(0, 32);
}
