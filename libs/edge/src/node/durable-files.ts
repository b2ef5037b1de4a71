import { open, readFile, rename, truncate } from 'node:fs/promises';
import { join } from 'node:path';

/** A line without its end is one whose write never came to its end. */
export async function cutTornLine(path: string): Promise<void> {
  const bytes = await readFile(path);
  const whole = bytes.lastIndexOf('\n') + 1;
  if (whole < bytes.length) await truncate(path, whole);
}

/** A JSON object; `undefined` for anything else. */
export function objectIn(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Puts a text in the place of a file's, whole or not at all, and so that it outlasts a power failure. */
export async function replaceFile(directory: string, name: string, text: string): Promise<void> {
  const path = join(directory, name);
  const handle = await open(`${path}.new`, 'w');
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(directory);
}

/** A file that is new, or has a new name, outlasts a power failure only when its directory is synced. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  await handle.sync().catch(() => undefined);
  await handle.close();
}
