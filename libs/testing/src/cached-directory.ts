import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { waitFor } from './wait-for.js';

/**
 * A directory that is costly to make and never changes once made: found, or made in place by `make`. Several processes may
 * ask at once: one makes it, the others wait. A maker that died is taken over from the start.
 */
export async function cachedDirectory(path: string, make: (path: string) => Promise<void>): Promise<string> {
  const stamp = join(path, '.complete');
  const isComplete = () =>
    readFile(stamp).then(
      () => true,
      () => false,
    );
  if (await isComplete()) return path;
  await mkdir(dirname(path), { recursive: true });
  const release = await lock(`${path}.lock`);
  try {
    if (await isComplete()) return path;
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
    await make(path);
    await writeFile(stamp, '');
    return path;
  } finally {
    await release();
  }
}

const LONGEST_MAKING_MS = 15 * 60_000;

/** Creating a file exclusively is atomic: whoever creates it holds the lock, and its content says who that is. */
async function lock(path: string): Promise<() => Promise<void>> {
  await waitFor(
    async () => {
      try {
        await writeFile(path, String(process.pid), { flag: 'wx' });
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        const holder = Number(await readFile(path, 'utf8').catch(() => ''));
        if (holder > 0 && !isAlive(holder)) await rm(path, { force: true });
        return false;
      }
    },
    { what: `the lock ${path} (delete it if nobody holds it)`, timeoutMs: LONGEST_MAKING_MS, intervalMs: 100 },
  );
  return () => rm(path, { force: true });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
