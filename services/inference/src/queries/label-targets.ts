import { nearest } from '@millrace/feature-engine';
import type { Scheduler } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';

export interface LabelTargetsOptions {
  /** Deployments that are applied, or were, and registered models, as far as they are read here. */
  readonly names: () => readonly string[];
  /** Resolves when all that was applied and registered until now is read. */
  readonly caughtUp: () => Promise<unknown>;
  /** Whether predictions are recorded for the name: an exported model's deployment need not be applied. */
  readonly hasPredictions: (name: string) => Promise<boolean>;
  readonly scheduler: Scheduler;
}

/** Labels that are on the log are not answered later than this for a warning. */
const LONGEST_LOOK_MS = 1_000;

/** Names labels are told for. A label is a fact and is kept whatever its deployment is called; but a name that nobody knows is likely misspelt. */
export class LabelTargets {
  /** Names that predictions have been found for: labels of a device's predictions come often. */
  readonly #predicted = new Set<string>();

  constructor(private readonly options: LabelTargetsOptions) {}

  /** What is said of labels for a name that nothing is known of; `undefined` of all others, and where it cannot be found out now. */
  async warningOf(name: string): Promise<string | undefined> {
    if (await this.#isKnown(name)) return undefined;
    const near = nearest(name, this.options.names());
    return (
      `deployment ${JSON.stringify(name)} is unknown here: it was never applied, no registered model has the name, and no prediction is recorded for it yet. ` +
      `The labels are kept and join predictions that come under this name; if it is misspelt${near === undefined ? '' : ` (did you mean ${JSON.stringify(near)}?)`}, send them again under the right one`
    );
  }

  async #isKnown(name: string): Promise<boolean> {
    const { names, scheduler } = this.options;
    if (this.#predicted.has(name) || names().includes(name)) return true;
    let cancel: (() => void) | undefined;
    const tooLate = new Promise<true>((resolve) => {
      cancel = scheduler.after(LONGEST_LOOK_MS, () => resolve(true));
    });
    const isKnown = await Promise.race([this.#look(name), tooLate]);
    cancel?.();
    return isKnown;
  }

  /** Never rejects. */
  async #look(name: string): Promise<boolean> {
    const { names, caughtUp, hasPredictions } = this.options;
    try {
      await caughtUp();
      if (names().includes(name)) return true;
      const isPredicted = await hasPredictions(name);
      if (isPredicted) this.#predicted.add(name);
      return isPredicted;
    } catch {
      // Labels are taken also while a store or the log cannot be read.
      return true;
    }
  }
}

/** Whether predictions are recorded for a deployment, or for a model under its own name. */
export async function hasPredictions(store: Pick<OfflineStore, 'query'>, name: string): Promise<boolean> {
  const found = await store.query(
    `SELECT 1 AS found FROM millrace.predictions WHERE deployment = {name:String} OR (deployment = '' AND model = {name:String}) LIMIT 1`,
    { name },
  );
  return found.length > 0;
}
