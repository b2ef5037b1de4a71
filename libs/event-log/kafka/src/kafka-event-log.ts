import type { ConnectionOptions } from 'node:tls';
import type { EventLog, LogRecord, NewRecord, SubscribeOptions, Subscription, TopicSpec } from '@millrace/event-log';
import { Fault, type NextOffsets, type Position } from '@millrace/kernel';
import { Appender } from './append/appender.js';
import { Brokers } from './wire/brokers.js';
import { logClosed } from './wire/faults.js';
import type { Sasl } from './wire/kafkajs-internals.js';
import { KafkaSubscription } from './read/kafka-subscription.js';
import { settledOffsets } from './wire/offsets.js';
import { readRange } from './read/read-range.js';
import { createTopic } from './topic-creation.js';

export interface KafkaEventLogOptions {
  /** `host:port` of some brokers; the rest are found through them. */
  readonly brokers: readonly string[];
  /** Who this process is, in the brokers' logs and quotas. */
  readonly clientId: string;
  readonly sasl?: Sasl;
  /** TLS: true for the machine's certificate authorities, or Node's own options (`ca`, `cert`, `key`). */
  readonly ssl?: boolean | ConnectionOptions;
  readonly connectionTimeoutMs?: number;
  /** Every request is given up after this; fetches and joins have their waiting time on top. */
  readonly requestTimeoutMs?: number;
  /** How long an append is tried before it fails with an indefinite fault. */
  readonly appendTimeoutMs?: number;
  /** How long an append, or a question for the ends of a topic, waits while no broker can be reached at all; beyond it both are refused until one is reached. */
  readonly awayTimeoutMs?: number;
  /** Appends waiting in memory beyond this are refused with `MR_LOG_OVERLOADED`. */
  readonly maxQueuedBytes?: number;
  /** Copies of the topics made here; by default three, or one per broker when there are fewer. */
  readonly replicationFactor?: number;
  readonly sessionTimeoutMs?: number;
  readonly heartbeatIntervalMs?: number;
  readonly rebalanceTimeoutMs?: number;
  /**
   * Told of failures in the background: a broker that cannot be reached, a handler that rejects. The reader goes on trying; a fault
   * that is not retryable needs a person (rights, a log that was cut off).
   */
  readonly onFault?: (fault: Fault) => void;
}

const DEFAULT_PORT = 9092;

/** The log on Kafka. All of kafkajs is behind this class. */
export class KafkaEventLog implements EventLog {
  readonly #options: KafkaEventLogOptions;
  /** For questions and bounded reads; appends and each subscription have connections of their own. */
  readonly #brokers: Brokers;
  readonly #appendBrokers: Brokers;
  readonly #appender: Appender;
  readonly #subscriptions = new Set<KafkaSubscription>();
  /** Starts under way; closing waits for them so that none outlives the log. */
  readonly #starting = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(options: KafkaEventLogOptions) {
    this.#options = options;
    const { clientId, sasl, ssl, connectionTimeoutMs = 5_000, requestTimeoutMs = 30_000, awayTimeoutMs = 5_000 } = options;
    this.#brokers = new Brokers(options.brokers.map(addressOf), {
      clientId,
      connectionTimeoutMs,
      requestTimeoutMs,
      awayTimeoutMs,
      ...(sasl ? { sasl } : {}),
      ...(ssl === undefined ? {} : { ssl }),
    });
    const { appendTimeoutMs = 30_000, maxQueuedBytes = 128 * 1024 * 1024 } = options;
    // A broker that hangs must not hold an append for longer than it may take.
    this.#appendBrokers = this.#brokers.another({ requestTimeoutMs: Math.min(requestTimeoutMs, appendTimeoutMs) });
    this.#appender = new Appender(this.#appendBrokers, { appendTimeoutMs, maxQueuedBytes });
  }

  /** Opens the log. Throws a retryable `MR_LOG_UNAVAILABLE` when no broker answers. */
  static async connect(options: KafkaEventLogOptions): Promise<KafkaEventLog> {
    const log = new KafkaEventLog(options);
    try {
      await log.ping();
      return log;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  async ensureTopic(spec: TopicSpec): Promise<void> {
    const count = (await this.partitions(spec.name)) ?? (await createTopic(this.#brokers, spec, this.#options.replicationFactor));
    if (count !== spec.partitions) {
      const message = `${spec.name} has ${count} partitions, not ${spec.partitions}; partition counts are frozen, or keys would lose their order`;
      throw new Fault('MR_TOPIC_PARTITIONS', message, false);
    }
  }

  async partitions(topic: string): Promise<number | undefined> {
    this.#assertOpen();
    return (await this.#brokers.metadata([topic])).get(topic)?.leaders.length;
  }

  async topics(): Promise<readonly string[]> {
    this.#assertOpen();
    const all = [...(await this.#brokers.metadata('all')).values()];
    return all
      .filter((topic) => !topic.isInternal)
      .map((topic) => topic.name)
      .sort();
  }

  append(records: readonly NewRecord[]): Promise<readonly Position[]> {
    if (this.#closing) return Promise.reject(logClosed());
    return this.#appender.append(records);
  }

  async end(topic: string): Promise<NextOffsets> {
    this.#assertOpen();
    return settledOffsets(this.#brokers, topic, 'end');
  }

  async begin(topic: string): Promise<NextOffsets> {
    this.#assertOpen();
    return settledOffsets(this.#brokers, topic, 'begin');
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#assertOpen();
    const { sessionTimeoutMs = 15_000, heartbeatIntervalMs = 1_000, rebalanceTimeoutMs = 60_000 } = this.#options;
    const brokers = this.#brokers.another();
    const starting = KafkaSubscription.start({
      options,
      brokers,
      farewell: this.#brokers,
      timing: { sessionTimeoutMs, heartbeatIntervalMs, rebalanceTimeoutMs },
      onFault: (fault) => this.#options.onFault?.(fault),
      onStopped: (subscription) => void this.#subscriptions.delete(subscription),
    });
    this.#starting.add(starting);
    try {
      const subscription = await starting;
      this.#subscriptions.add(subscription);
      return subscription;
    } finally {
      this.#starting.delete(starting);
    }
  }

  async *read(topic: string, partition: number, from: number, to?: number): AsyncGenerator<LogRecord> {
    this.#assertOpen();
    yield* readRange(this.#brokers, topic, partition, from, to);
  }

  async ping(): Promise<void> {
    this.#assertOpen();
    const broker = await this.#brokers.any();
    await this.#brokers.calling(broker, 'pinging the broker', () => broker.apiVersions());
  }

  /** Settles the appends taken, stops the subscriptions, ends the connections. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#starting);
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()));
    await this.#appender.close();
    await Promise.all([this.#brokers.close(), this.#appendBrokers.close()]);
  }

  #assertOpen(): void {
    if (this.#closing) throw logClosed();
  }
}

function addressOf(broker: string): { host: string; port: number } {
  const match = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(broker.trim());
  if (!match) throw new Fault('MR_LOG_ADDRESS', `${JSON.stringify(broker)} is not host:port`, false);
  return { host: (match[1] ?? match[2]) as string, port: match[3] === undefined ? DEFAULT_PORT : Number(match[3]) };
}
