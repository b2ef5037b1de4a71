import type { Scheduler } from '@millrace/kernel';
import { Rounds } from '../rounds.js';
import type { VectorSelection } from './served-vectors.js';
import type { Verification } from './verify-served.js';

export interface ScheduledVerificationOptions {
  readonly everyMs: number;
  readonly scheduler: Scheduler;
  readonly now: () => number;
  readonly verify: (selection: VectorSelection) => Promise<Verification>;
  readonly verified: (report: VerificationReport) => void;
  /** It is tried again at the next round, and then covers what this one did not. */
  readonly failed: (error: unknown) => void;
}

/** What a check found of the answers of a time. */
export interface VerificationReport extends Verification {
  /** Of the answers, RFC 3339, `to` excluded. */
  readonly from: string;
  readonly to: string;
}

/** An answer may be under way to the log for a while; a check leaves out the newest. */
const SETTLED_AFTER_MS = 60_000;

/**
 * Recomputes what was served, again and again: each round takes the answers since the one before. The first begins one interval before the
 * process did, so that a restart leaves nothing out.
 */
export class ScheduledVerification {
  readonly #options: ScheduledVerificationOptions;
  readonly #rounds: Rounds;
  #from: number;
  #last: VerificationReport | undefined;

  constructor(options: ScheduledVerificationOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.scheduler, options.everyMs, () => this.#round());
    this.#from = options.now() - options.everyMs - SETTLED_AFTER_MS;
  }

  /** What the last check found; `undefined` before the first. */
  get last(): VerificationReport | undefined {
    return this.#last;
  }

  /** Where the next check begins, in milliseconds since the epoch. */
  get from(): number {
    return this.#from;
  }

  start(): void {
    this.#rounds.start();
  }

  /** Lets a running check come to its end. */
  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  async #round(): Promise<void> {
    const { now, verify, verified, failed } = this.#options;
    const [from, to] = [this.#from, now() - SETTLED_AFTER_MS];
    if (to <= from) return;
    try {
      const found = await verify({ deployment: undefined, featureService: undefined, from, to });
      this.#from = to;
      this.#last = { from: new Date(from).toISOString(), to: new Date(to).toISOString(), ...found };
      verified(this.#last);
    } catch (error) {
      failed(error);
    }
  }
}
