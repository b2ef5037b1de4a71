import { Fault, isFault } from '@millrace/kernel';
import type { Logger } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';

export interface ConnectOptions {
  /** What is being reached, as the message names it: `the event log (Kafka at localhost:9092)`. */
  readonly what: string;
  /** Which variable to look at when it cannot be reached; it may depend on why. */
  readonly variable: string | ((error: unknown) => string);
  readonly deadlineMs: number;
  readonly logger: Logger;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/**
 * Opens a dependency, and tries again until the deadline: at a start of everything at once the broker may come up after us.
 * A fault that says retrying does not help ends it at once.
 */
export async function connectWithRetries<T>(options: ConnectOptions, open: () => Promise<T>): Promise<T> {
  const { what, deadlineMs, logger } = options;
  const deadline = Date.now() + deadlineMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await open();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const variable = typeof options.variable === 'string' ? options.variable : options.variable(error);
      const isHopeless = isFault(error) && !error.retryable;
      if (isHopeless || Date.now() + pause >= deadline) {
        const after = isHopeless ? '' : ` within ${deadlineMs} ms`;
        throw new Fault('MR_CONNECT', `${what} could not be opened${after}: ${reason}. See ${variable}.`, false, { cause: error });
      }
      logger.warn({ reason, retryInMs: pause }, `${what} cannot be reached yet (${variable})`);
      // The process has to stay alive for the retry, so this timer is one that keeps it.
      await delay(pause);
    }
  }
}
