import type { Logger } from 'pino';

/**
 * What is closed before what. HTTP has stopped accepting before the first phase starts; a consumer stops before what it writes
 * into is flushed; the log goes last because everything above appends to it.
 */
const PHASES = ['servers', 'consumers', 'projections', 'replicas', 'stores', 'log', 'telemetry', 'data-directory'] as const;
export type Phase = (typeof PHASES)[number];

interface Closer {
  readonly phase: Phase;
  readonly name: string;
  readonly close: () => Promise<void> | void;
}

/** Everything that was opened and has to be closed, in order. */
export class Lifecycle {
  readonly #closers: Closer[] = [];
  #closing: Promise<boolean> | undefined;

  constructor(private readonly logger: Logger) {}

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Registers a closer; of one phase the last one registered is closed first. Returns what takes it back: nothing is left to close. */
  add(phase: Phase, name: string, close: () => Promise<void> | void): () => void {
    const closer = { phase, name, close };
    this.#closers.push(closer);
    return () => {
      const index = this.#closers.indexOf(closer);
      if (index >= 0) this.#closers.splice(index, 1);
    };
  }

  /** Closes all of it once. A closer that fails is logged and does not keep the others open; false when one did. */
  close(): Promise<boolean> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<boolean> {
    let clean = true;
    for (const phase of PHASES) {
      for (const { name, close } of this.#closers.filter((closer) => closer.phase === phase).reverse()) {
        try {
          await close();
        } catch (error) {
          clean = false;
          this.logger.error({ err: error, phase, name }, 'closing failed');
        }
      }
    }
    return clean;
  }
}
