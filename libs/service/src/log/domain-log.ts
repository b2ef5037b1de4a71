import {
  formatPosition,
  Fault,
  type Command,
  type CommandHandler,
  type CommandMetadata,
  type CommandOutcome,
  type DecisionReplica,
  type Event,
  type LoggedDecision,
  type Position,
  type Rejection,
} from '@millrace/kernel';
import type { TableProjection } from '@millrace/offline-store';
import { SpanKind } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Health } from '../host/health.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import type { LogEnds } from './log-ends.js';

/** One domain's decisions as this process sees them. */
export interface DomainLog {
  readonly domain: string;
  /** The decisions topic. */
  readonly topic: string;
  readonly replica: DecisionReplica;
  /** The projection of this domain into `millrace.decisions`: what a query of that table waits for. Absent on a domain that is only followed. */
  readonly table: TableProjection<LoggedDecision> | undefined;
  /**
   * The domain's only write path. Rejections come back as values; a `Fault` is thrown when the log cannot be reached in time.
   * On a domain that is only followed this is a defect.
   */
  handle<E extends Event = Event, R extends Rejection = Rejection>(
    subject: string,
    command: Command,
    metadata: CommandMetadata,
  ): Promise<CommandOutcome<E, R>>;
  /** Read your writes without a position: asks the log for its end and waits until the replica has folded it. */
  barrier(deadlineMs?: number): Promise<void>;
  /** Read your writes with the position a command gave. */
  waitFor(position: Position, deadlineMs?: number): Promise<void>;
  /**
   * Tells of every decision accepted from now on, in the order of each partition. Reading starts only after the code that awaited
   * `open` or `follow` has run on, so a listener added right there misses nothing. A listener must not throw: the fold
   * has moved on and cannot give it the record again, so a throw is a defect that fails liveness.
   */
  onAccepted(listener: (record: LoggedDecision) => void): () => void;
}

export interface FollowedDomainOptions {
  readonly domain: string;
  readonly ends: LogEnds;
  readonly replica: DecisionReplica;
  readonly table: TableProjection<LoggedDecision> | undefined;
  /** Absent on a domain that is only followed. */
  readonly handler: CommandHandler | undefined;
  readonly queryDeadlineMs: number;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly logger: Logger;
  readonly now: () => number;
}

/** A {@link DomainLog} over a replica that a consumer feeds. */
export class FollowedDomain implements DomainLog {
  readonly #options: FollowedDomainOptions;
  readonly #listeners = new Set<(record: LoggedDecision) => void>();
  #hurry: (() => void) | undefined;

  constructor(options: FollowedDomainOptions) {
    this.#options = options;
  }

  get domain(): string {
    return this.#options.domain;
  }

  get topic(): string {
    return this.replica.topic;
  }

  get replica(): DecisionReplica {
    return this.#options.replica;
  }

  get table(): TableProjection<LoggedDecision> | undefined {
    return this.#options.table;
  }

  async handle<E extends Event = Event, R extends Rejection = Rejection>(
    subject: string,
    command: Command,
    metadata: CommandMetadata,
  ): Promise<CommandOutcome<E, R>> {
    const { domain, handler, metrics, telemetry, now } = this.#options;
    if (!handler) throw new Error(`${domain} is only followed in this process; its commands belong to its own service`);
    const started = now();
    let outcome = 'fault';
    try {
      const settled = await telemetry.span(
        `command ${command.type}`,
        {
          kind: SpanKind.PRODUCER,
          attributes: { 'millrace.domain': domain, 'millrace.subject': subject, 'messaging.destination.name': this.topic },
          traceparent: telemetry.traceparent() ?? metadata.traceparent,
        },
        async (span) => {
          const traceparent = span ? telemetry.traceparent() : undefined;
          const result = await handler.handle<E, R>(subject, command, traceparent === undefined ? metadata : { ...metadata, traceparent });
          if (result.kind === 'accepted') span?.setAttribute('millrace.position', formatPosition(result.position));
          if (result.kind === 'rejected') span?.setAttribute('millrace.rejection', result.rejection.code);
          return result;
        },
      );
      outcome = settled.kind === 'accepted' && settled.repeated ? 'repeated' : settled.kind;
      return settled;
    } finally {
      metrics.commands.inc({ domain, command: command.type, outcome });
      metrics.commandSeconds.observe({ domain, command: command.type }, (now() - started) / 1000);
    }
  }

  async barrier(deadlineMs = this.#options.queryDeadlineMs): Promise<void> {
    const deadline = this.#options.now() + deadlineMs;
    const ends = await this.#options.ends.now();
    this.#hurry?.();
    await Promise.all(
      ends.map(async (end, partition) => {
        if (end === 0) return;
        const left = Math.max(1, deadline - this.#options.now());
        await this.replica.waitFor({ topic: this.topic, partition, offset: end - 1 }, left);
      }),
    );
  }

  async waitFor(position: Position, deadlineMs = this.#options.queryDeadlineMs): Promise<void> {
    if (position.topic !== this.topic || position.partition >= this.replica.partitions) {
      throw new Fault('MR_POSITION_FOREIGN', `${formatPosition(position)} is not a position of ${this.topic}`, false);
    }
    this.#hurry?.();
    await this.replica.waitFor(position, deadlineMs);
  }

  /** How to have what gathers on the log read at once. */
  hurriedBy(hurry: () => void): void {
    this.#hurry = hurry;
  }

  onAccepted(listener: (record: LoggedDecision) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Told by the consumer what the fold accepted. */
  accepted(records: readonly LoggedDecision[]): void {
    if (this.#listeners.size === 0) return;
    for (const record of records) {
      for (const listener of this.#listeners) {
        try {
          listener(record);
        } catch (error) {
          const at = formatPosition(record.position);
          this.#options.logger.error(
            { err: error, domain: this.domain, position: at },
            'defect: a listener failed on an accepted decision',
          );
          this.#options.health.fatal(`${this.domain}.listener`, `failed at ${at}; what it keeps is no longer the fold of the log`);
        }
      }
    }
  }
}
