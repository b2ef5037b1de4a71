import { decodeFact, type CloudEvent, type Decoded, type LogRecord } from '@millrace/event-log';
import { applyDecorators, Catch, UseFilters, type InjectionToken, type RpcExceptionFilter } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';
import type { Checkpoint } from './checkpoints.js';

/** Marks handlers of the log among those of other transports. */
export const LOG_TRANSPORT = Symbol.for('millrace.log-transport');

export interface HandlerOptions<T> {
  /** `<domain>.<projection or policy>`: the name in metrics, logs and dead letters, and the group that shares the work. */
  readonly name: string;
  /** What the topic's records hold; CloudEvents unless given. What it refuses goes to the dead letters. */
  readonly decode?: (record: LogRecord) => Decoded<T>;
  /** Who knows the next offset: a provider that stores it with the effect. Without one the kit keeps it in the online store. */
  readonly checkpoint?: InjectionToken<Checkpoint>;
  /** Every process reads every partition (a cache), instead of sharing them. Needs a checkpoint of its own. */
  readonly everywhere?: boolean;
  readonly maxBatchRecords?: number;
  readonly maxBatchBytes?: number;
}

/** What a decorated method carries to the transport. */
export interface HandlerExtras<T = unknown> {
  readonly kind: 'projects' | 'reacts';
  readonly options: HandlerOptions<T>;
}

/**
 * Without it Nest would turn what a handler throws into a "Internal server error" without a name or a stack. The transport
 * has to see the error itself, to log it as the defect it is.
 */
@Catch()
class KeepsTheError implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * A method that folds ordered batches of one topic: `(batch: ItemBatch<T>) => Promise<BatchResult>`. `ok` says that the effect and, with
 * a checkpoint of its own, the position are stored.
 */
export function Projects<T = CloudEvent>(topic: string, options: HandlerOptions<T>): MethodDecorator {
  return decorate('projects', topic, options);
}

/**
 * A method that reacts to one record at a time, in order: `(item: Item<T>) => Promise<Result>`. RETRY holds the partition back,
 * DEAD_LETTER and SKIP let it go on.
 */
export function Reacts<T = CloudEvent>(topic: string, options: HandlerOptions<T>): MethodDecorator {
  return decorate('reacts', topic, options);
}

function decorate<T>(kind: HandlerExtras['kind'], topic: string, options: HandlerOptions<T>): MethodDecorator {
  if (options.everywhere && !options.checkpoint) throw new Error(`${options.name} reads everywhere, so it needs a checkpoint of its own`);
  const extras: HandlerExtras<T> = { kind, options: { decode: decodeFact as (record: LogRecord) => Decoded<T>, ...options } };
  // The pattern is the consumer, not the topic: two consumers of one topic are independent of each other.
  const marks = EventPattern(`${topic} ${options.name}`, LOG_TRANSPORT, { millrace: extras }) as MethodDecorator;
  return applyDecorators(marks, UseFilters(KeepsTheError));
}

/** The topic of a pattern made by {@link decorate}. */
export function topicOf(pattern: string): string {
  return pattern.slice(0, pattern.indexOf(' '));
}
