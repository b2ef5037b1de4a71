import { Fault } from '@millrace/kernel';
import type { Brokers, Leaders } from '../wire/brokers.js';
import { faultOf } from '../wire/faults.js';
import { assertFetchable, fetchRequest, type FetchedPartition } from '../wire/fetch-request.js';
import { errorOfCode } from '../wire/kafkajs-internals.js';
import { offsetsOf } from '../wire/offsets.js';
import type { PartitionFeed } from './partition-feed.js';
import { BackOff, Pause } from '../pause.js';

export interface FetcherOptions {
  readonly brokers: Brokers;
  readonly topic: string;
  readonly feeds: () => Iterable<PartitionFeed>;
  readonly onFault: (fault: Fault) => void;
}

/** How long a broker may hold a fetch when there is nothing new. A record that comes meanwhile is answered at once. */
const LONGEST_WAIT_MS = 500;
/** While a feed is full it is not in the fetch, so the next fetch must not be far away. */
const SHORT_WAIT_MS = 10;
const PARTITION_BYTES = 2 * 1024 * 1024;
const RESPONSE_BYTES = 16 * 1024 * 1024;
const OUT_OF_RANGE = 1;
const RESTING_MS = 1000;

/**
 * Keeps the feeds of one subscription filled: one loop per broker that leads partitions of it, each with one fetch under way. Any
 * failure is reported, paused after, and tried again for as long as the subscription lives.
 */
export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #loops = new Map<number, Promise<void>>();
  readonly #pause = new Pause();
  readonly #sleepers = new Set<() => void>();
  #leaders: Leaders;
  #isStopped = false;

  constructor(options: FetcherOptions, leaders: Leaders) {
    this.#options = options;
    this.#leaders = leaders;
  }

  /** To be called when there are other feeds, or one of them wants more. */
  wake(): void {
    if (this.#isStopped) return;
    for (const feed of this.#options.feeds()) {
      const leader = this.#leaderOf(feed);
      if (this.#loops.has(leader)) continue;
      // A partition without a leader has a loop as well: it asks for one until there is.
      this.#loops.set(leader, this.#loop(leader));
    }
    for (const wake of this.#sleepers) wake();
  }

  /** The connections have to be closed before, or the fetches under way are waited for. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#pause.end();
    for (const wake of this.#sleepers) wake();
    await Promise.all(this.#loops.values());
  }

  #leaderOf(feed: PartitionFeed): number {
    return this.#leaders[feed.partition] ?? -1;
  }

  async #loop(leader: number): Promise<void> {
    const backOff = new BackOff(20, 1000);
    while (!this.#isStopped) {
      const feeds = [...this.#options.feeds()].filter((feed) => this.#leaderOf(feed) === leader);
      if (feeds.length === 0) {
        this.#loops.delete(leader);
        return;
      }
      const hungry = feeds.filter((feed) => feed.isHungry);
      if (hungry.length === 0) {
        await this.#sleep();
        continue;
      }
      try {
        await this.#fetch(leader, hungry, feeds.length > hungry.length ? SHORT_WAIT_MS : LONGEST_WAIT_MS);
        backOff.reset();
      } catch (error) {
        if (this.#isStopped) return;
        this.#options.onFault(faultOf(error, `reading ${this.#options.topic}`));
        await this.#pause.for(backOff.next());
        await this.#findLeaders();
      }
    }
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers.delete(wake);
        resolve();
      };
      this.#sleepers.add(wake);
    });
  }

  async #findLeaders(): Promise<void> {
    const { brokers, topic, onFault } = this.#options;
    try {
      this.#leaders = await brokers.leaders(topic);
      this.wake();
    } catch (error) {
      if (!this.#isStopped) onFault(faultOf(error, `finding the leaders of ${topic}`));
    }
  }

  async #fetch(leader: number, feeds: readonly PartitionFeed[], maxWaitMs: number): Promise<void> {
    const { brokers, topic } = this.#options;
    const broker = await brokers.node(leader);
    assertFetchable(broker);
    const asked = new Map(rotated(feeds).map((feed) => [feed.partition, { feed, offset: feed.fetchFrom }]));
    const partitions = [...asked].map(([partition, { offset }]) => ({ partition, offset, maxBytes: PARTITION_BYTES }));
    const request = fetchRequest(topic, partitions, { maxWaitMs, maxBytes: RESPONSE_BYTES });
    const answers = await brokers.send(broker, request, `fetching from ${topic}`);
    let failure: Fault | undefined;
    for (const answer of answers) {
      const ask = asked.get(answer.partition);
      if (!ask) continue;
      if (answer.errorCode === 0) ask.feed.offer(ask.offset, answer);
      else failure = (await this.#recover(ask.feed, answer)) ?? failure;
    }
    // Thrown only now: the other partitions of the answer have been taken in.
    if (failure) throw failure;
  }

  /** After an error of one partition. Returns what the loop must pause for. */
  async #recover(feed: PartitionFeed, answer: FetchedPartition): Promise<Fault | undefined> {
    const { topic, onFault } = this.#options;
    const place = `${topic}/${feed.partition}`;
    if (answer.errorCode !== OUT_OF_RANGE) return faultOf(errorOfCode(answer.errorCode), `reading ${place}`);
    const begin = await this.#edge(feed.partition, 'begin');
    // Expired records are nobody's any more; the reader goes on with the first that is kept.
    if (feed.fetchFrom < begin) feed.jump(begin);
    const end = await this.#edge(feed.partition, 'end');
    if (feed.fetchFrom > end) {
      // Reading on would skip what is written up to there: the log is not the one this position came from.
      const message = `${place} ends at ${end}, before the position ${feed.fetchFrom} it is to be read from; was the topic made anew?`;
      onFault(new Fault('MR_LOG_TRUNCATED', message, false));
      feed.rest(RESTING_MS);
    }
    return undefined;
  }

  async #edge(partition: number, edge: 'begin' | 'end'): Promise<number> {
    const offsets = await offsetsOf(this.#options.brokers, this.#options.topic, this.#leaders, edge, [partition]);
    return offsets.get(partition) as number;
  }
}

let rotation = 0;

/** Another partition first each time: an answer is filled in the order asked. */
function rotated<T>(items: readonly T[]): T[] {
  const first = rotation++ % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
