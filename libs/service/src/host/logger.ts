import { ConsoleLogger, type LoggerService } from '@nestjs/common';
import { pino, stdTimeFunctions, type DestinationStream, type Level, type Logger } from 'pino';

export interface LoggerOptions {
  readonly level: Level | 'silent';
  readonly service: string;
  /** Ids of the trace that is active, if one is. */
  readonly trace?: () => Readonly<Record<string, string>> | undefined;
  readonly destination?: DestinationStream;
}

/** Where secrets and personal data travel. Bodies are never logged. */
const REDACTED = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'token',
  'headers.authorization',
  'headers.cookie',
  'headers["x-api-key"]',
  'headers["proxy-authorization"]',
  '*.password',
  '*.secret',
  '*.token',
];

/**
 * JSON, one line per event, on standard output. Levels have an expected frequency (see the package's README): an `error` is something
 * a person should look at, so a healthy process writes none.
 */
export function createLogger(options: LoggerOptions): Logger {
  const settings = {
    level: options.level,
    base: { service: options.service, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '(redacted)' },
    ...(options.trace ? { mixin: () => options.trace?.() ?? {} } : {}),
  };
  return options.destination ? pino(settings, options.destination) : pino(settings);
}

/** Nest's own messages in our lines. Its start-up chatter is for debugging Nest, so it goes below `info`. */
export class NestLogger extends ConsoleLogger implements LoggerService {
  constructor(private readonly logger: Logger) {
    super();
  }

  override log(message: unknown, ...rest: unknown[]): void {
    this.logger.debug({ nest: contextOf(rest) }, String(message));
  }

  override error(message: unknown, ...rest: unknown[]): void {
    const stack = rest.find((part) => typeof part === 'string' && part.includes('\n'));
    this.logger.error({ nest: contextOf(rest), ...(stack === undefined ? {} : { stack }) }, messageOf(message));
  }

  override warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn({ nest: contextOf(rest) }, messageOf(message));
  }

  override debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug({ nest: contextOf(rest) }, messageOf(message));
  }

  override verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.trace({ nest: contextOf(rest) }, messageOf(message));
  }

  override fatal(message: unknown, ...rest: unknown[]): void {
    this.logger.fatal({ nest: contextOf(rest) }, messageOf(message));
  }
}

function contextOf(rest: readonly unknown[]): unknown {
  return rest.at(-1);
}

function messageOf(message: unknown): string {
  return message instanceof Error ? message.message : typeof message === 'string' ? message : JSON.stringify(message);
}
