import { isFault } from '@millrace/kernel';
import type { DynamicModule, Type } from '@nestjs/common';
import { loadConfig } from '../config/config.js';
import type { ConfigGroup } from '../config/variable.js';
import { bootstrap, type RunningService } from '../http/bootstrap.js';

/**
 * The main.ts of every service: configuration, start, signals. The first SIGTERM or SIGINT stops gracefully, the second at once. What nobody
 * caught is a defect: the process says so and ends, because its state is not to be trusted; the log has everything.
 */
export async function runMain(module: Type | DynamicModule, groups: readonly ConfigGroup[], service?: string): Promise<RunningService> {
  try {
    const config = loadConfig(groups);
    const running = await bootstrap(module, config, service === undefined ? {} : { service });
    running.host.metrics.collectProcess();
    stopOnSignals(running);
    crashOnDefects(running);
    return running;
  } catch (error) {
    // Faults are for the operator: the sentence is enough. Anything else is a bug and shows where.
    process.stderr.write(`${isFault(error) ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  }
}

function stopOnSignals(running: RunningService): void {
  const { logger, config } = running.host;
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) {
      logger.warn({ signal }, 'second signal: stopping at once');
      process.exit(1);
    }
    isStopping = true;
    logger.info({ signal }, 'stopping');
    const deadline = setTimeout(() => {
      logger.error({ deadlineMs: config.shutdownDeadlineMs }, 'the stop took too long and was cut short; the log has everything');
      process.exit(1);
    }, config.shutdownDeadlineMs);
    deadline.unref();
    running.close().then(
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

function crashOnDefects(running: RunningService): void {
  const crash = (kind: string) => (error: unknown) => {
    running.host.logger.fatal({ err: error }, `defect: ${kind}; the process ends`);
    process.exit(1);
  };
  process.on('uncaughtException', crash('uncaught exception'));
  process.on('unhandledRejection', crash('unhandled rejection'));
}
