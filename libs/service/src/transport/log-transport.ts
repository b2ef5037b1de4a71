import { PARTITIONS } from '@millrace/contracts';
import {
  oneByOne,
  RETRY,
  type BatchResult,
  type Item,
  type ItemBatch,
  type LogConsumer,
  type LogRecord,
  type Result,
} from '@millrace/event-log';
import type { ModuleRef } from '@nestjs/core';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { Logger } from 'pino';
import { isObservable, lastValueFrom } from 'rxjs';
import type { LogConsumers } from '../log/log-consumers.js';
import type { Topics } from '../log/topics.js';
import type { Checkpoint, StoredCheckpoints } from './checkpoints.js';
import { LOG_TRANSPORT, topicOf, type HandlerExtras } from './decorators.js';

export interface LogTransportOptions {
  readonly consumers: LogConsumers;
  readonly topics: Topics;
  readonly checkpoints: StoredCheckpoints;
  readonly logger: Logger;
}

export type LogTransportStatus = 'listening' | 'closed';
type Events = { status: (status: LogTransportStatus) => void };

/**
 * Nest's transport over the event log: finds the methods marked `@Projects` and `@Reacts` and runs a consumer for each. Batches of a partition
 * come in order and one at a time, bounded in records and bytes, so that is also the bound of what is in flight.
 */
export class LogTransport extends Server<Events, LogTransportStatus> implements CustomTransportStrategy {
  override readonly transportId = LOG_TRANSPORT;
  /** What a handler throws comes back here instead of being logged and forgotten. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #options: LogTransportOptions;
  readonly #running: LogConsumer<unknown>[] = [];
  #moduleRef: ModuleRef | undefined;

  constructor(options: LogTransportOptions) {
    super();
    this.#options = options;
  }

  /** Checkpoints are providers of the application, which is made after the transport. */
  attach(moduleRef: ModuleRef): void {
    this.#moduleRef = moduleRef;
  }

  override listen(callback: (error?: unknown) => void): void {
    this.#start().then(() => {
      this._status$.next('listening');
      callback();
    }, callback);
  }

  /** Lets running batches settle; what was not acknowledged comes again after the next start. */
  override async close(): Promise<void> {
    const { consumers } = this.#options;
    await Promise.all(this.#running.splice(0).map((consumer) => consumers.remove(consumer)));
    this._status$.next('closed');
  }

  override on<Name extends keyof Events>(event: Name, listener: Events[Name]): void {
    if (event !== 'status') throw new Error(`the log transport has no event ${String(event)}; its only one is status`);
    this.status.subscribe(listener);
  }

  /** The consumers that run, one per handler. */
  override unwrap<T = readonly LogConsumer<unknown>[]>(): T {
    return this.#running as T;
  }

  async #start(): Promise<void> {
    for (const [pattern, handler] of this.messageHandlers) {
      const extras = handler.extras?.['millrace'] as HandlerExtras | undefined;
      if (!extras) throw new Error(`the handler of ${pattern} is not the log's: mark it @Projects or @Reacts`);
      if (handler.next) throw new Error(`two handlers are called ${extras.options.name}; a consumer's name belongs to one`);
      this.#running.push(await this.#consume(topicOf(pattern), handler, extras));
    }
  }

  async #consume(topic: string, handler: MessageHandler, { kind, options }: HandlerExtras): Promise<LogConsumer<unknown>> {
    const { consumers, topics, checkpoints } = this.#options;
    await topics.ensure({ name: topic, partitions: PARTITIONS, retention: 'forever' });
    const own = options.checkpoint ? this.#resolve(options.checkpoint) : undefined;
    const name = options.name;
    const handle =
      kind === 'projects'
        ? (batch: ItemBatch<unknown>) => this.#call<BatchResult>(handler, batch, name)
        : oneByOne((item: Item<unknown>) => this.#call<Result>(handler, item, name));
    return consumers.add<unknown>({
      name,
      topic,
      shared: !options.everywhere,
      decode: options.decode as (record: LogRecord) => ReturnType<NonNullable<typeof options.decode>>,
      from: (partition) => (own ? own.next(topic, partition) : checkpoints.next(name, topic, partition)),
      handle: async (batch) => {
        const result = await handle(batch);
        if (result.kind === 'ok' && !own) await checkpoints.save(name, topic, batch.partition, batch.nextOffset);
        return result;
      },
      ...(options.maxBatchRecords === undefined ? {} : { maxBatchRecords: options.maxBatchRecords }),
      ...(options.maxBatchBytes === undefined ? {} : { maxBatchBytes: options.maxBatchBytes }),
    });
  }

  #resolve(token: NonNullable<HandlerExtras['options']['checkpoint']>): Checkpoint {
    if (!this.#moduleRef) throw new Error('the log transport was not attached to its application');
    return this.#moduleRef.get<Checkpoint>(token, { strict: false });
  }

  /** Handlers return results. One that throws is a defect: logged as such, and the record waits for a version that can take it. */
  async #call<R extends Result | BatchResult>(handler: MessageHandler, argument: unknown, name: string): Promise<R> {
    try {
      const returned: unknown = await handler(argument);
      return (isObservable(returned) ? await lastValueFrom(returned) : returned) as R;
    } catch (error) {
      this.#options.logger.error({ err: error, consumer: name }, 'defect: a handler threw; it has to return a result');
      return RETRY(error instanceof Error ? error.message : String(error)) as R;
    }
  }
}
