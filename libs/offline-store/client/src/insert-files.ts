import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files that hold an insert's data while the engine reads it: in a folder of their own that only this user can enter, gone at the end. */
export class InsertFiles {
  #folder: Promise<string> | undefined;
  #next = 0;

  async write(data: Buffer): Promise<string> {
    this.#folder ??= mkdtemp(join(tmpdir(), 'millrace-inserts-'));
    const file = join(await this.#folder, String(this.#next++));
    await writeFile(file, data, { mode: 0o600 });
    return file;
  }

  async remove(file: string): Promise<void> {
    await rm(file, { force: true });
  }

  async close(): Promise<void> {
    if (this.#folder) await rm(await this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}
