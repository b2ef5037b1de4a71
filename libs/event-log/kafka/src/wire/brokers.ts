import { Fault, isFault } from '@millrace/kernel';
import { faultOf, logClosed, topicUnknown } from './faults.js';
import {
  apiKeys,
  brokerAt,
  dropConnections,
  errorOfCode,
  requests,
  type ConnectionOptionsOfKafka,
  type KafkaBroker,
  type KafkaError,
  type Protocol,
} from './kafkajs-internals.js';

interface MetadataResponse {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  readonly controllerId: number;
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly isInternal: boolean;
    readonly partitionMetadata: readonly { readonly partitionErrorCode: number; readonly partitionId: number; readonly leader: number }[];
  }[];
}

/** Leader's node id by partition; -1 while a partition has none. */
export type Leaders = readonly number[];

export interface TopicMetadata {
  readonly name: string;
  readonly isInternal: boolean;
  readonly leaders: Leaders;
}

const UNKNOWN_TOPIC = 3;
const NEWS_MS = 2000;
const TOPIC_RESOURCE = 2;

/**
 * The brokers of one cluster as one client sees them: connected when they are needed, forgotten when they fail, found again
 * through the addresses given. Requests of one `Brokers` share connections (one for fetches, one for the rest) and are
 * answered in order, so whatever may wait at the broker gets a `Brokers` of its own.
 */
export class Brokers {
  readonly #seeds: readonly { host: string; port: number }[];
  readonly #options: ConnectionOptionsOfKafka;
  readonly #nodes = new Map<number, KafkaBroker>();
  /** Topics anybody of this client has met; shared with {@link another}. */
  #seenTopics = new Set<string>();
  #seed: KafkaBroker | undefined;
  #seeking: Promise<KafkaBroker> | undefined;
  readonly #connecting = new Map<KafkaBroker, Promise<void>>();
  #nextSeed = 0;
  #controllerId = -1;
  #awaySince: number | undefined;
  #isClosed = false;

  constructor(seeds: readonly { host: string; port: number }[], options: ConnectionOptionsOfKafka) {
    this.#seeds = seeds;
    this.#options = options;
  }

  /** The same cluster through connections of its own. */
  another(options: Partial<ConnectionOptionsOfKafka> = {}): Brokers {
    const another = new Brokers(this.#seeds, { ...this.#options, ...options });
    another.#seenTopics = this.#seenTopics;
    return another;
  }

  get count(): number {
    return this.#nodes.size;
  }

  /** Whether no broker has been reached for so long that nobody waits for one any more; as far as it was tried: not when the last try found one. */
  get areAway(): boolean {
    return this.#awayMs >= this.#options.awayTimeoutMs;
  }

  /** The refusal of whoever would have to wait for a broker. `told`: what became of what was asked. */
  away(told: string, cause?: unknown): Fault {
    const seconds = Math.max(1, Math.floor(this.#awayMs / 1000));
    const because = cause instanceof Error ? ` (${cause.message})` : '';
    const message = `${told}: no Kafka broker has been reached for ${seconds} s${because}; see that the brokers run and can be reached, then send it again`;
    return new Fault('MR_LOG_UNAVAILABLE', message, true, { isRefusal: true, ...(cause === undefined ? {} : { cause }) });
  }

  get #awayMs(): number {
    return this.#awaySince === undefined ? 0 : performance.now() - this.#awaySince;
  }

  /** Metadata of the topics that exist among `topics`, or of all. */
  async metadata(topics: readonly string[] | 'all'): Promise<ReadonlyMap<string, TopicMetadata>> {
    const broker = await this.any();
    const ask = broker.lookupRequest(apiKeys.Metadata, requests.Metadata);
    // kafkajs takes no topics for all topics.
    const asked = ask({ topics: topics === 'all' ? [] : topics, allowAutoTopicCreation: false });
    const response = await this.send(broker, unparsed<MetadataResponse>(asked), 'asking for metadata');
    this.#controllerId = response.controllerId;
    for (const { nodeId, host, port } of response.brokers) this.#learn(nodeId, host, port);
    const found = new Map<string, TopicMetadata>();
    for (const { topicErrorCode, topic, isInternal, partitionMetadata } of response.topicMetadata) {
      if (topicErrorCode === UNKNOWN_TOPIC) continue;
      if (partitionMetadata.length === 0) throw faultOf(errorOfCode(topicErrorCode), `asking for metadata of ${topic}`);
      const leaders = new Array<number>(partitionMetadata.length).fill(-1);
      for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
      this.#seenTopics.add(topic);
      found.set(topic, { name: topic, isInternal, leaders });
    }
    return found;
  }

  /** Throws `MR_TOPIC_UNKNOWN`, but not at once for a topic that was seen before: a broker may hear of a new topic later than others. */
  async leaders(topic: string): Promise<Leaders> {
    const leaders = await this.#told(async () => {
      const found = (await this.metadata([topic])).get(topic);
      if (!found && !this.#seenTopics.has(topic)) throw topicUnknown(topic);
      return found?.leaders;
    });
    if (!leaders) throw topicUnknown(topic);
    return leaders;
  }

  /** Asks until there is an answer, for as long as news may take to reach a broker. */
  async #told<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const deadline = performance.now() + NEWS_MS;
    for (let pause = 2; ; pause *= 2) {
      const answer = await ask();
      if (answer !== undefined || performance.now() > deadline) return answer;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** The largest batch a topic takes; `undefined` when this client may not ask. */
  async largestBatch(topic: string): Promise<number | undefined> {
    const broker = await this.any();
    try {
      const asked = { type: TOPIC_RESOURCE, name: topic, configNames: ['max.message.bytes'] };
      const { resources } = await this.calling(broker, `asking for the settings of ${topic}`, () =>
        broker.describeConfigs({ resources: [asked] }),
      );
      const value = Number(resources[0]?.configEntries[0]?.configValue);
      return Number.isSafeInteger(value) && value > 0 ? value : undefined;
    } catch (error) {
      if (isFault(error) && !error.retryable) return undefined;
      throw error;
    }
  }

  /** A broker by its id, connected. */
  async node(nodeId: number): Promise<KafkaBroker> {
    const broker = this.#nodes.get(nodeId);
    if (!broker) {
      throw new Fault('MR_LOG_UNAVAILABLE', nodeId < 0 ? 'the partition has no leader now' : `broker ${nodeId} is not known`, true);
    }
    await this.#connect(broker);
    return broker;
  }

  /** Any broker that answers. */
  async any(): Promise<KafkaBroker> {
    let failure: unknown;
    for (const broker of [...this.#nodes.values()].sort((a, b) => Number(b.isConnected()) - Number(a.isConnected()))) {
      try {
        await this.#connect(broker);
        return broker;
      } catch (error) {
        failure = error;
        if (isFault(error) && !error.retryable) throw error;
      }
    }
    // Nobody known answers: the cluster may have moved, or is not known yet. Back to the addresses given; callers of one moment go
    // there together, because a second connection would take the first one's place under its requests.
    this.#seeking ??= this.#seek(failure).finally(() => (this.#seeking = undefined));
    return this.#seeking;
  }

  async #seek(before: unknown): Promise<KafkaBroker> {
    if (this.#seed?.isConnected()) return this.#seed;
    let failure = before;
    for (let tries = 0; tries < this.#seeds.length; tries++) {
      const address = this.#seeds[this.#nextSeed++ % this.#seeds.length] as { host: string; port: number };
      try {
        if (this.#seed) await dropConnections(this.#seed, new Error('another seed is tried'));
        this.#seed = brokerAt(address, null, this.#options);
        await this.#connect(this.#seed);
        return this.#seed;
      } catch (error) {
        failure = error;
        if (isFault(error) && !error.retryable) throw error;
      }
    }
    this.#awaySince ??= performance.now();
    throw faultOf(failure, 'reaching a Kafka broker');
  }

  /** The broker that takes changes of topics. */
  async controller(): Promise<KafkaBroker> {
    // A cluster that has just started has not chosen one yet.
    const nodeId = await this.#told(async () => {
      await this.metadata('all');
      return this.#controllerId < 0 ? undefined : this.#controllerId;
    });
    return this.node(nodeId ?? -1);
  }

  /** The broker that coordinates a group. */
  async coordinator(groupId: string): Promise<KafkaBroker> {
    const broker = await this.any();
    const { coordinator } = await this.calling(broker, `finding the coordinator of ${groupId}`, () =>
      broker.findGroupCoordinator({ groupId }),
    );
    this.#learn(coordinator.nodeId, coordinator.host, coordinator.port);
    return this.node(coordinator.nodeId);
  }

  /** Sends a request; its failure is a {@link Fault}. */
  send<T>(broker: KafkaBroker, protocol: Protocol<T>, doing: string): Promise<T> {
    return this.calling(broker, doing, () => broker.connectionPool.send(protocol));
  }

  /** Runs a call of `broker`. A connection that let a request time out is given up, so that the next request gets a fresh one. */
  async calling<T>(broker: KafkaBroker, doing: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if ((error as KafkaError).name === 'KafkaJSRequestTimeoutError') await dropConnections(broker, error as Error);
      throw this.#isClosed ? logClosed() : faultOf(error, doing);
    }
  }

  /** Ends all connections; what is in flight fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const brokers = [...this.#nodes.values(), ...(this.#seed ? [this.#seed] : [])];
    this.#nodes.clear();
    await Promise.all(brokers.map((broker) => dropConnections(broker, new Error('the event log is closed'))));
  }

  #learn(nodeId: number, host: string, port: number): void {
    const known = this.#nodes.get(nodeId);
    if (known?.connectionPool.host === host && known.connectionPool.port === port) return;
    if (known) void dropConnections(known, new Error(`broker ${nodeId} has moved`));
    this.#nodes.set(nodeId, brokerAt({ host, port }, nodeId, this.#options));
  }

  /** kafkajs calls a broker connected before it knows which requests the broker understands, so those who come meanwhile wait for the first. */
  async #connect(broker: KafkaBroker): Promise<void> {
    if (this.#isClosed) throw logClosed();
    const running = this.#connecting.get(broker);
    if (running) return running;
    if (broker.isConnected()) return;
    const connecting = this.#open(broker).finally(() => this.#connecting.delete(broker));
    this.#connecting.set(broker, connecting);
    return connecting;
  }

  async #open(broker: KafkaBroker): Promise<void> {
    const { host, port } = broker.connectionPool;
    try {
      await broker.connect();
      this.#awaySince = undefined;
    } catch (error) {
      throw faultOf(error, `connecting to ${host}:${port}`);
    }
    if (this.#isClosed) {
      await dropConnections(broker, new Error('the event log is closed'));
      throw logClosed();
    }
  }
}

/** The protocol with its answer as it is: kafkajs would throw on the first error code and hide all the rest. */
export function unparsed<T>(protocol: Protocol): Protocol<T> {
  const { decode } = protocol.response;
  return { ...protocol, response: { decode, parse: (decoded: never) => Promise.resolve(decoded as T) } };
}
