import type { OnlineGuard, OnlineStore, OnlineWrite } from './online-store.js';

/** An {@link OnlineStore} in memory: for property tests and for computing values without a store. */
export class MemoryOnlineStore implements OnlineStore {
  // latin1 maps bytes to code units one to one and keeps their order.
  readonly #values = new Map<string, Buffer>();

  async getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    return keys.map((key) => this.#values.get(key.toString('latin1')) ?? null);
  }

  async writeMany(writes: readonly OnlineWrite[], guards: readonly OnlineGuard[] = []): Promise<boolean> {
    for (const guard of guards) {
      const found = this.#values.get(guard.key.toString('latin1'));
      if (guard.value === null ? found !== undefined : !found?.equals(guard.value)) return false;
    }
    for (const { key, value } of writes) {
      if (value === null) this.#values.delete(key.toString('latin1'));
      else this.#values.set(key.toString('latin1'), Buffer.from(value));
    }
    return true;
  }

  async *scan(prefix: Buffer): AsyncIterable<readonly [Buffer, Buffer]> {
    const text = prefix.toString('latin1');
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(text)).sort((a, b) => (a < b ? -1 : 1));
    for (const key of keys) yield [Buffer.from(key, 'latin1'), this.#values.get(key) as Buffer];
  }

  async clear(prefix: Buffer): Promise<number> {
    const text = prefix.toString('latin1');
    let removed = 0;
    for (const key of this.#values.keys()) {
      if (!key.startsWith(text)) continue;
      this.#values.delete(key);
      removed++;
    }
    return removed;
  }

  async ping(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#values.clear();
    return Promise.resolve();
  }
}
