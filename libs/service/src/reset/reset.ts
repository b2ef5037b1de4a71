import { Fault } from '@millrace/kernel';

/**
 * What is emptied after what. Who gathers before writing writes at once; readers come to rest, so that nothing is written into what has just been emptied; then the log, what was
 * folded from it, and the stores; then what a start would have set up is set up again.
 */
const PHASES = ['hurry', 'rest', 'log', 'state', 'stores', 'begin'] as const;
export type ResetPhase = (typeof PHASES)[number];

interface Step {
  readonly phase: ResetPhase;
  readonly name: string;
  readonly run: () => Promise<void> | void;
}

/**
 * Empties a running process for the next test: what folds the log or keeps something registers here how it forgets. Offsets of the log go on
 * where they were, so that every reader stays where it is.
 */
export class Reset {
  readonly #steps: Step[] = [];
  #running: Promise<void> | undefined;

  add(phase: ResetPhase, name: string, run: () => Promise<void> | void): void {
    this.#steps.push({ phase, name, run });
  }

  /** Empties everything. Who asks while it runs shares it. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #run(): Promise<void> {
    for (const phase of PHASES) {
      for (const { name, run } of this.#steps.filter((step) => step.phase === phase)) {
        try {
          await run();
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new Fault('MR_RESET_FAILED', `${name} could not be emptied: ${reason}`, true, { cause: error });
        }
      }
    }
  }
}
