import { open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Linux tells one start of the machine from the next; what is written goes through its cache, which outlives processes. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** Which start of the machine this is; `undefined` where the system does not say. */
export async function currentBoot(): Promise<string | undefined> {
  try {
    return (await readFile(BOOT_ID, 'utf8')).trim();
  } catch {
    return undefined;
  }
}

/**
 * Says beside a store's file in which start of the machine it is being written. It is there from before the first write until all is on the disk: a file that is
 * found with the mark of another start may have reached the disk in part.
 */
export class BootMark {
  readonly #path: string;

  constructor(store: string) {
    this.#path = `${store}.boot`;
  }

  /** The start of the machine in which the file was left open. */
  async read(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Resolves when the mark is on the disk, its name too. */
  async write(boot: string): Promise<void> {
    await writtenOut(this.#path, 'w', (file) => file.writeFile(boot));
    await writtenOut(dirname(this.#path), 'r');
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

async function writtenOut(path: string, flags: string, change?: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, flags);
  try {
    await change?.(file);
    await file.sync();
  } finally {
    await file.close();
  }
}
