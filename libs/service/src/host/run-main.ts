import { isFault } from '@millrace/kernel';
import type { DynamicModule, Type } from '@nestjs/common';
import type { Logger } from 'pino';
import { loadConfig } from '../config/config.js';
import type { ConfigGroup } from '../config/variable.js';
import { bootstrap, type RunningService } from '../http/bootstrap.js';

/** The main.ts of every service: configuration, start, signals. `service` is the name in logs, metrics and traces. */
export async function runMain(module: Type | DynamicModule, groups: readonly ConfigGroup[], service?: string): Promise<RunningService> {
  return runOrExplain(async () => {
    const config = loadConfig(groups);
    const running = await bootstrap(module, config, service === undefined ? {} : { service });
    const { logger, metrics } = running.host;
    metrics.collectProcess();
    stopOnSignals({ logger, deadlineMs: config.drainMs + config.shutdownDeadlineMs, close: () => running.close() });
    crashOnDefects(logger);
    tellParent(running.url);
    return running;
  });
}

/** A parent that started us with a channel (`npm run services`) learns the address, whatever the log level is. */
export function tellParent(url: string): void {
  process.send?.({ listening: url });
}

/**
 * Ends the process with the reason when `start` fails. Faults are for the operator: the sentence is enough. Anything else is a bug and shows where.
 * A SIGTERM or SIGINT during the start ends it at once: it has promised nobody anything. Without a listener the kernel drops the signals of
 * process 1, which is what a container's process is, and a stop during the start would last until SIGKILL.
 */
export async function runOrExplain<T>(start: () => Promise<T>): Promise<T> {
  const end = (signal: NodeJS.Signals) => {
    process.stderr.write(`${signal} during the start: the process ends\n`);
    process.exit(0);
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  try {
    const started = await start();
    process.off('SIGTERM', end);
    process.off('SIGINT', end);
    return started;
  } catch (error) {
    process.stderr.write(`${isFault(error) ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  }
}

export interface StopOptions {
  readonly logger: Logger;
  readonly deadlineMs: number;
  readonly close: () => Promise<void>;
}

/** A terminal's Ctrl-C reaches a whole group of processes and a parent passes it on as well: signals of one moment are one. */
const ONE_MOMENT_MS = 1000;

/** The first SIGTERM or SIGINT stops gracefully and is cut short at the deadline; a later one stops at once. */
export function stopOnSignals({ logger, deadlineMs, close }: StopOptions): void {
  let since: number | undefined;
  const stop = (signal: NodeJS.Signals) => {
    if (since !== undefined) {
      if (performance.now() - since < ONE_MOMENT_MS) return;
      logger.warn({ signal }, 'second signal: stopping at once');
      process.exit(1);
    }
    since = performance.now();
    logger.info({ signal }, 'stopping');
    // It keeps the process: what is waited for in vain would otherwise end it in the middle of the stop, as if all were well.
    setTimeout(() => {
      logger.error({ deadlineMs }, 'the stop took too long and was cut short; the log has everything');
      process.exit(1);
    }, deadlineMs);
    close().then(
      () => {
        logger.info('stopped');
        process.exit(0);
      },
      (error: unknown) => {
        logger.fatal({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** What nobody caught is a defect: the process says so and ends, because its state is not to be trusted; the log has everything. */
export function crashOnDefects(logger: Logger): void {
  const crash = (kind: string) => (error: unknown) => {
    logger.fatal({ err: error }, `defect: ${kind}; the process ends`);
    process.exit(1);
  };
  process.on('uncaughtException', crash('uncaught exception'));
  process.on('unhandledRejection', crash('unhandled rejection'));
}
