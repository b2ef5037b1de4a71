import { Fault, type Scheduler } from '@millrace/kernel';
import type { SubscribeOptions, Subscription } from '../event-log.js';
import { PartitionReader, type RecordSource } from './partition-reader.js';

/**
 * Subscriptions on a log that lives in this process: the part of an adapter that has nothing to do with where records are
 * kept. Readers of one group share the topic's partitions; a partition changes hands only when its old reader's batch has settled.
 */
export class LocalSubscriptions {
  readonly #byTopic = new Map<string, Set<LocalSubscription>>();
  readonly #groups = new Map<string, Group>();

  constructor(
    private readonly source: RecordSource,
    private readonly scheduler: Scheduler,
  ) {}

  subscribe(options: SubscribeOptions): Subscription {
    const partitions = this.source.partitions(options.topic);
    if (partitions === undefined) throw new Fault('MR_TOPIC_UNKNOWN', `there is no topic ${options.topic}`, false);
    const subscription = new LocalSubscription(this.source, this.scheduler, options, () => this.#leave(subscription));
    const ofTopic = this.#byTopic.get(options.topic) ?? new Set();
    this.#byTopic.set(options.topic, ofTopic.add(subscription));
    if (options.group === undefined) {
      for (let partition = 0; partition < partitions; partition++) subscription.assign(partition);
    } else {
      this.#group(options.topic, options.group, partitions).join(subscription);
    }
    return subscription;
  }

  /** Wakes the readers of a partition: there is something new. */
  appended(topic: string, partition: number): void {
    for (const subscription of this.#byTopic.get(topic) ?? []) subscription.wake(partition);
  }

  /** Whether anyone reads the topic. */
  isRead(topic: string): boolean {
    return (this.#byTopic.get(topic)?.size ?? 0) > 0;
  }

  /** The offset from which on somebody has records of a partition still to read; `Infinity` when nobody reads it. */
  unreadFrom(topic: string, partition: number): number {
    let from = Infinity;
    for (const subscription of this.#byTopic.get(topic) ?? []) from = Math.min(from, subscription.unreadFrom(partition));
    return from;
  }

  /** Topics someone reads. */
  topics(): readonly string[] {
    return [...this.#byTopic.keys()];
  }

  async stop(): Promise<void> {
    const all = [...this.#byTopic.values()].flatMap((subscriptions) => [...subscriptions]);
    await Promise.all(all.map((subscription) => subscription.stop()));
  }

  #group(topic: string, name: string, partitions: number): Group {
    const key = `${topic} ${name}`;
    let group = this.#groups.get(key);
    if (!group) this.#groups.set(key, (group = new Group(partitions)));
    return group;
  }

  #leave(subscription: LocalSubscription): void {
    const { topic, group: name } = subscription.options;
    const ofTopic = this.#byTopic.get(topic);
    ofTopic?.delete(subscription);
    if (ofTopic?.size === 0) this.#byTopic.delete(topic);
    if (name === undefined) return;
    const group = this.#groups.get(`${topic} ${name}`);
    group?.leave(subscription);
    if (group?.isEmpty) this.#groups.delete(`${topic} ${name}`);
  }
}

class LocalSubscription implements Subscription {
  readonly #readers = new Map<number, PartitionReader>();
  #stopping: Promise<void> | undefined;

  constructor(
    private readonly source: RecordSource,
    private readonly scheduler: Scheduler,
    readonly options: SubscribeOptions,
    private readonly leave: () => void,
  ) {}

  assign(partition: number): void {
    if (this.#stopping || this.#readers.has(partition)) return;
    this.#readers.set(partition, new PartitionReader(this.source, this.scheduler, this.options, partition));
  }

  /** Takes the partitions away, after their running batches. */
  async revoke(partitions: readonly number[]): Promise<void> {
    const readers = partitions.flatMap((partition) => this.#readers.get(partition) ?? []);
    await Promise.all(readers.map((reader) => reader.stop()));
    for (const partition of partitions) this.#readers.delete(partition);
    if (!this.#stopping) await this.options.onRevoked?.(partitions);
  }

  wake(partition: number): void {
    this.#readers.get(partition)?.wake();
  }

  hurry(): void {
    for (const reader of this.#readers.values()) reader.hurry();
  }

  assigned(): readonly number[] {
    return [...this.#readers.keys()].sort((a, b) => a - b);
  }

  unreadFrom(partition: number): number {
    return this.#readers.get(partition)?.unreadFrom ?? Infinity;
  }

  lag(): number {
    let lag = 0;
    for (const reader of this.#readers.values()) lag += reader.lag();
    return lag;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#readers.values()].map((reader) => reader.stop()));
    this.#readers.clear();
    this.leave();
  }
}

/** Members of a group in the order they joined; partition p belongs to member p modulo their number. */
class Group {
  readonly #members: LocalSubscription[] = [];
  #turn: Promise<void> = Promise.resolve();

  constructor(private readonly partitions: number) {}

  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  join(member: LocalSubscription): void {
    this.#members.push(member);
    this.#rebalance();
  }

  leave(member: LocalSubscription): void {
    this.#members.splice(this.#members.indexOf(member), 1);
    this.#rebalance();
  }

  /** One at a time, each to the members as they are then. A throwing `onRevoked` is a defect of the reader and surfaces as an unhandled rejection. */
  #rebalance(): void {
    const run = () => this.#rebalanceOnce();
    this.#turn = this.#turn.then(run, run);
  }

  async #rebalanceOnce(): Promise<void> {
    const members = [...this.#members];
    const ownerOf = (partition: number) => members[partition % members.length];
    await Promise.all(
      members.map(async (member) => {
        const lost = member.assigned().filter((partition) => ownerOf(partition) !== member);
        if (lost.length > 0) await member.revoke(lost);
      }),
    );
    for (let partition = 0; partition < this.partitions; partition++) ownerOf(partition)?.assign(partition);
  }
}
