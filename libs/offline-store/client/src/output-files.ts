import { mkdirSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

const CHUNK_BYTES = 256 * 1024;

/**
 * Files that the engine writes large results into, so that nobody holds them in memory. They lie in the data directory, where there is room (a folder for temporary files may itself be
 * memory), and lose their name as soon as they are open: what was read, or never will be, is gone with the stream, after a kill with the process. Only what
 * a kill left half written is still there at the next start, and removed then.
 */
export class OutputFiles {
  readonly #folder: string;
  #next = 0;

  constructor(directory: string) {
    this.#folder = join(directory, 'outputs');
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { mode: 0o700 });
  }

  /** What `write` has put into the file it is given. */
  async read(write: (file: string) => Promise<unknown>): Promise<Readable> {
    const file = join(this.#folder, String(this.#next++));
    try {
      await write(file);
      const handle = await open(file);
      return handle.createReadStream({ highWaterMark: CHUNK_BYTES });
    } finally {
      await rm(file, { force: true });
    }
  }
}
