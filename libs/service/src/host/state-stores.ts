import type { StateStore } from '@millrace/kernel';
import type { Lifecycle } from './lifecycle.js';

/**
 * Local state of this process under the data directory: what replicas and caches fold from the log. Derived data: a store that is of another
 * version, damaged or deleted begins empty and is folded again.
 */
export class StateStores {
  readonly #opened = new Set<string>();

  constructor(
    private readonly openStore: (name: string, version: string) => Promise<StateStore>,
    private readonly lifecycle: Lifecycle,
  ) {}

  /** Opens a store, closed when consumers have stopped. `version` is raised whenever the code that folds into it changes. */
  async open(name: string, version: string): Promise<StateStore> {
    if (this.#opened.has(name)) throw new Error(`the state ${name} is open in this process already`);
    this.#opened.add(name);
    try {
      const store = await this.openStore(name, version);
      this.lifecycle.add('stores', `state ${name}`, () => store.close());
      return store;
    } catch (error) {
      this.#opened.delete(name);
      throw error;
    }
  }
}
