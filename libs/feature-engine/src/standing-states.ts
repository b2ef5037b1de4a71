import { viewKey } from './store-keys.js';

/** Where the states are noted: the online store. */
interface StateNotes {
  getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]>;
}

/**
 * Which state each view's name stands for, as the online store noted it when it was last looked at. A view that was changed stands for the
 * state it had until its new one has come as far; every process that reads the store has this from the same place.
 */
export class StandingStates {
  readonly #states = new Map<string, Buffer>();

  constructor(private readonly store: StateNotes) {}

  /** The state hash; `undefined` for a view that never stood for one. */
  of(view: string): Buffer | undefined {
    return this.#states.get(view);
  }

  names(): string[] {
    return [...this.#states.keys()];
  }

  /** Takes what was just noted, or read otherwise. */
  note(view: string, state: Buffer | null): void {
    if (state) this.#states.set(view, state);
    else this.#states.delete(view);
  }

  /** Asks the store; whether any of these views stands for another state than it was known to. */
  async look(views: readonly string[]): Promise<boolean> {
    if (views.length === 0) return false;
    const found = await this.store.getMany(views.map(viewKey));
    let isOther = false;
    for (const [index, view] of views.entries()) {
      const state = found[index] ?? null;
      const before = this.#states.get(view) ?? null;
      if (state === before || (state && before?.equals(state))) continue;
      this.note(view, state);
      isOther = true;
    }
    return isOther;
  }
}
