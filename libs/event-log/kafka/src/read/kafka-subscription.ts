import type { SubscribeOptions, Subscription } from '@millrace/event-log';
import type { Fault } from '@millrace/kernel';
import type { Brokers } from '../wire/brokers.js';
import { faultOf } from '../wire/faults.js';
import { Fetcher } from './fetcher.js';
import { GroupMembership, type GroupTiming } from './group-membership.js';
import { settledOffsets } from '../wire/offsets.js';
import { PartitionFeed } from './partition-feed.js';
import { BackOff, Pause } from '../pause.js';

export interface KafkaSubscriptionOptions {
  readonly options: SubscribeOptions;
  /** Connections of this subscription alone: its fetches and joins wait at the broker. */
  readonly brokers: Brokers;
  readonly farewell: Brokers;
  readonly timing: GroupTiming;
  readonly onFault: (fault: Fault) => void;
  readonly onStopped: (subscription: KafkaSubscription) => void;
}

const MAX_BATCH_RECORDS = 5_000;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** A reader of one topic: a feed per partition it owns, all of them without a group, the group's share with one. */
export class KafkaSubscription implements Subscription {
  readonly #settings: KafkaSubscriptionOptions;
  readonly #feeds = new Map<number, PartitionFeed>();
  /** Settles when the last feed of the partition has; the next one waits for it. */
  readonly #settled = new Map<number, Promise<void>>();
  readonly #pause = new Pause();
  #fetcher: Fetcher | undefined;
  #membership: GroupMembership | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(settings: KafkaSubscriptionOptions) {
    this.#settings = settings;
  }

  static async start(settings: KafkaSubscriptionOptions): Promise<KafkaSubscription> {
    const subscription = new KafkaSubscription(settings);
    try {
      await subscription.#start();
      return subscription;
    } catch (error) {
      await subscription.stop();
      throw error;
    }
  }

  assigned(): readonly number[] {
    return [...this.#feeds.keys()].sort((a, b) => a - b);
  }

  /** A fetch of Kafka's gathers by itself and waits for nobody. */
  hurry(): void {}

  lag(): number {
    let lag = 0;
    for (const feed of this.#feeds.values()) lag += feed.lag();
    return lag;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #start(): Promise<void> {
    const { options, brokers, farewell, timing, onFault } = this.#settings;
    const { topic, group } = options;
    const leaders = await brokers.leaders(topic);
    this.#fetcher = new Fetcher({ brokers, topic, feeds: () => this.#feeds.values(), onFault }, leaders);
    if (group === undefined) {
      await this.#assign([...leaders.keys()], false);
      return;
    }
    this.#membership = new GroupMembership({
      brokers,
      farewell,
      group,
      topic,
      timing,
      onAssigned: (partitions) => this.#assign(partitions, true),
      onRevoked: () => this.#revoke(),
      onFault,
    });
    await this.#membership.start();
  }

  async #stop(): Promise<void> {
    // From here on no handler is called any more; closing the connections ends what waits at the brokers.
    for (const feed of this.#feeds.values()) void feed.close();
    this.#pause.end();
    const closing = this.#settings.brokers.close();
    await Promise.all([this.#fetcher?.stop(), this.#membership?.stop(), closing]);
    await this.#revoke();
    this.#settings.onStopped(this);
  }

  /** Opens a feed per partition from where the caller says. A member of a group asks until it gets an answer. */
  async #assign(partitions: readonly number[], isPersistent: boolean): Promise<void> {
    const { onFault, options } = this.#settings;
    const backOff = new BackOff(50, 2000);
    while (!this.#stopping) {
      try {
        await this.#open(partitions);
        return;
      } catch (error) {
        const fault = faultOf(error, `beginning to read ${options.topic}`);
        if (!isPersistent) throw fault;
        onFault(fault);
        await this.#pause.for(backOff.next());
      }
    }
  }

  async #open(partitions: readonly number[]): Promise<void> {
    const { options, brokers, onFault } = this.#settings;
    const { topic, maxBatchRecords = MAX_BATCH_RECORDS, maxBatchBytes = MAX_BATCH_BYTES } = options;
    const ends = await settledOffsets(brokers, topic, 'end');
    const positions = await Promise.all(partitions.map(async (partition) => options.from(partition)));
    if (this.#stopping) return;
    partitions.forEach((partition, index) => {
      const feed = new PartitionFeed({
        topic,
        partition,
        from: positions[index] as number,
        end: ends[partition] as number,
        maxBatchRecords,
        maxBatchBytes,
        onBatch: options.onBatch,
        onUnreadable: options.onUnreadable,
        onRejected: (error) => onFault(faultOf(error, `handling ${topic}/${partition}`)),
        onHungry: () => this.#fetcher?.wake(),
        after: this.#settled.get(partition) ?? Promise.resolve(),
      });
      this.#feeds.set(partition, feed);
      this.#settled.set(partition, feed.settled);
    });
    this.#fetcher?.wake();
  }

  /** Closes all feeds; resolves when their running calls have settled and the caller knows. */
  async #revoke(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    if (feeds.length === 0) return;
    this.#feeds.clear();
    await Promise.all(feeds.map((feed) => feed.close()));
    // Who stops lets go by itself and need not be told.
    if (this.#stopping) return;
    try {
      await this.#settings.options.onRevoked?.(feeds.map((feed) => feed.partition));
    } catch (error) {
      this.#settings.onFault(faultOf(error, `letting go of ${this.#settings.options.topic}`));
    }
  }
}
