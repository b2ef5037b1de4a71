import { partitionOf, type NewRecord } from '@millrace/event-log';
import { Fault, isFault, type Position } from '@millrace/kernel';
import type { Brokers, Leaders } from '../wire/brokers.js';
import { logClosed, partitionUnknown, topicUnknown } from '../wire/faults.js';
import { PartitionQueue, type Append } from './partition-queue.js';
import { Pause, BackOff } from '../pause.js';
import { ProducerIdentities } from './producer-identities.js';
import { produceRequest, type ProducedPartition } from '../wire/produce-request.js';
import { BATCH_OVERHEAD, prepare, sizeInBatch, type PreparedRecord } from '../wire/record-batch-writer.js';

export interface AppenderOptions {
  /** How long an append is tried before it is given up with an indefinite fault. */
  readonly appendTimeoutMs: number;
  /** Appends wait in memory up to this; beyond it they are refused. */
  readonly maxQueuedBytes: number;
}

const ACKS_FROM_ALL = -1;
/** How long the leader waits for its followers before it answers that they are late. */
const REPLICATION_TIMEOUT_MS = 10_000;
/** What brokers take when they are not told otherwise (`message.max.bytes`). */
const USUAL_BATCH_BYTES = 1_048_588;
const LARGEST_REQUEST = 8 * 1024 * 1024;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1000;

/**
 * The way into the log. Appends that are made while a request is under way wait for the next one and share it, so batches grow with
 * the load and a lone append leaves at once. One request at a time per broker, one batch at a time per partition, sent
 * again under its sequence until the broker has answered it: no duplicate, no overtaking.
 */
export class Appender {
  readonly #brokers: Brokers;
  readonly #options: AppenderOptions;
  readonly #identities: ProducerIdentities;
  readonly #queues = new Map<string, PartitionQueue[]>();
  /** Nodes a request is under way to. */
  readonly #busy = new Set<number>();
  readonly #pause = new Pause();
  readonly #backOff = new BackOff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  readonly #running = new Set<Promise<void>>();
  /** Appends whose topic is being looked up; later ones line up behind them. */
  #lookups: Promise<unknown> | undefined;
  #queuedBytes = 0;
  #isScheduled = false;
  #isClosed = false;

  constructor(brokers: Brokers, options: AppenderOptions) {
    this.#brokers = brokers;
    this.#options = options;
    this.#identities = new ProducerIdentities(brokers);
  }

  append(records: readonly NewRecord[]): Promise<readonly Position[]> {
    if (records.length === 0) return Promise.resolve([]);
    if (!this.#lookups && records.every((record) => this.#queues.has(record.topic))) return this.#enqueue(records);
    const after = this.#lookups ?? Promise.resolve();
    const lookup = after.catch(() => undefined).then(() => this.#lookUp(records));
    this.#lookups = lookup;
    const appended = lookup.then(() => this.#enqueue(records));
    const done = () => {
      if (this.#lookups === lookup) this.#lookups = undefined;
    };
    appended.then(done, done);
    return appended;
  }

  /** Waits until everything taken is settled, then takes nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#running.size > 0 || this.#isScheduled) {
      await Promise.all(this.#running);
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#pause.end();
  }

  async #lookUp(records: readonly NewRecord[]): Promise<void> {
    for (const topic of new Set(records.map((record) => record.topic))) {
      if (this.#queues.has(topic)) continue;
      const { leaders, largest } = await this.#known(topic);
      const maxBatchBytes = largest ?? USUAL_BATCH_BYTES;
      this.#queues.set(
        topic,
        leaders.map((leader, partition) => new PartitionQueue(topic, partition, leader, maxBatchBytes)),
      );
    }
  }

  async #known(topic: string): Promise<{ leaders: Leaders; largest: number | undefined }> {
    try {
      return { leaders: await this.#brokers.leaders(topic), largest: await this.#brokers.largestBatch(topic) };
    } catch (error) {
      if (isFault(error) && error.retryable && this.#brokers.areAway) throw this.#brokers.away('nothing of this was written', error);
      throw error;
    }
  }

  #enqueue(records: readonly NewRecord[]): Promise<readonly Position[]> {
    if (this.#isClosed) return Promise.reject(logClosed());
    // While one append looks for a broker, the others need not queue up behind it.
    if (this.#running.size > 0 && this.#brokers.areAway) return Promise.reject(this.#brokers.away('nothing of this was written'));
    const now = Date.now();
    let bytes = 0;
    const entries: { queue: PartitionQueue; prepared: PreparedRecord; size: number }[] = [];
    for (const record of records) {
      const queues = this.#queues.get(record.topic);
      if (!queues) return Promise.reject(topicUnknown(record.topic));
      const partition = record.partition ?? partitionOf(record.key, queues.length);
      const queue = queues[partition];
      if (!queue) return Promise.reject(partitionUnknown(record.topic, partition, queues.length));
      const prepared = prepare(record, now);
      const size = sizeInBatch(prepared);
      if (size + BATCH_OVERHEAD > queue.largestBatch) return Promise.reject(tooLarge(record.topic, size, queue.largestBatch));
      bytes += size;
      entries.push({ queue, prepared, size });
    }
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > this.#options.maxQueuedBytes) {
      const message = `${this.#queuedBytes} bytes wait to be appended already; nothing of this was written, retry later`;
      return Promise.reject(new Fault('MR_LOG_OVERLOADED', message, true));
    }
    this.#queuedBytes += bytes;
    return new Promise<readonly Position[]>((resolve, reject) => {
      const append: Append = {
        positions: new Array<Position>(records.length),
        waiting: records.length,
        deadline: now + this.#options.appendTimeoutMs,
        resolve,
        reject,
      };
      entries.forEach(({ queue, prepared, size }, index) => queue.add({ append, index, prepared, size }));
      this.#schedule();
    }).finally(() => {
      this.#queuedBytes -= bytes;
    });
  }

  /** After this turn of the event loop, so that whatever else it appends goes along. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    const byLeader = new Map<number, PartitionQueue[]>();
    for (const queues of this.#queues.values()) {
      for (const queue of queues) {
        if (queue.isEmpty || this.#busy.has(queue.leader)) continue;
        const ofLeader = byLeader.get(queue.leader);
        if (ofLeader) ofLeader.push(queue);
        else byLeader.set(queue.leader, [queue]);
      }
    }
    for (const [leader, queues] of byLeader) {
      this.#busy.add(leader);
      const running = this.#sendTo(leader, queues).finally(() => {
        this.#busy.delete(leader);
        this.#running.delete(running);
        this.#send();
      });
      this.#running.add(running);
    }
  }

  /** One request to one broker, with a batch of each of its partitions as far as they fit. Never rejects. */
  async #sendTo(leader: number, queues: readonly PartitionQueue[]): Promise<void> {
    let taken: PartitionQueue[] = [];
    let isSent = false;
    try {
      const identity = this.#identities.current ?? (await this.#identities.get());
      let bytes = 0;
      taken = rotated(queues).filter((queue) => {
        if (bytes >= LARGEST_REQUEST) return false;
        bytes += queue.take(identity).length;
        return true;
      });
      const broker = await this.#brokers.node(leader);
      const batches = taken.map((queue) => ({ topic: queue.topic, partition: queue.partition, bytes: queue.sent().bytes }));
      const request = produceRequest(batches, ACKS_FROM_ALL, REPLICATION_TIMEOUT_MS);
      isSent = true;
      const answers = await this.#brokers.send(broker, request, 'appending');
      await this.#settle(taken, answers);
    } catch (error) {
      if (isSent) for (const queue of taken) queue.markIndefinite();
      await this.#retryLater(queues, error);
    }
  }

  async #settle(taken: readonly PartitionQueue[], answers: readonly ProducedPartition[]): Promise<void> {
    const byPlace = new Map(answers.map((answer) => [`${answer.topic}/${answer.partition}`, answer]));
    const unsettled: PartitionQueue[] = [];
    let failure: unknown;
    for (const queue of taken) {
      const answer = byPlace.get(`${queue.topic}/${queue.partition}`);
      const result = queue.settle(answer);
      if (result.kind === 'settled') continue;
      if (result.isProducerLost) this.#identities.renew();
      unsettled.push(queue);
      failure = result.failure;
    }
    if (unsettled.length > 0) await this.#retryLater(unsettled, failure);
    else this.#backOff.reset();
  }

  /** Before the next try: who is given up, where the leaders are, and a pause. */
  async #retryLater(queues: readonly PartitionQueue[], error: unknown): Promise<void> {
    const isFinal = isFault(error) && !error.retryable;
    // What is known may be old, and another broker may have come back: refused is only after all were tried.
    if (!isFinal && this.#brokers.areAway) await this.#brokers.any().catch(() => undefined);
    const cause = !isFinal && this.#brokers.areAway ? this.#brokers.away('appending failed', error) : error;
    // Who closes the log waits for the try that is under way, not for another.
    const now = isFinal || cause !== error || this.#isClosed ? Infinity : Date.now();
    for (const queue of queues) {
      // What was never sent is taken back, so that it cannot be written after it was refused.
      if (queue.giveUp(now, cause)) this.#identities.renew();
    }
    if (queues.every((queue) => queue.isEmpty)) return;
    await this.#pause.for(this.#backOff.next());
    for (const topic of new Set(queues.map((queue) => queue.topic))) {
      try {
        const leaders = await this.#brokers.leaders(topic);
        this.#queues.get(topic)?.forEach((queue) => (queue.leader = leaders[queue.partition] ?? -1));
      } catch (failure) {
        if (!isFault(failure) || failure.retryable) continue;
        this.#queues.get(topic)?.forEach((queue) => {
          if (queue.giveUp(Infinity, failure)) this.#identities.renew();
        });
        this.#queues.delete(topic);
      }
    }
  }
}

let rotation = 0;

/** Another queue first each time, so that none waits for ever behind full ones. */
function rotated<T>(items: readonly T[]): T[] {
  const first = rotation++ % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

function tooLarge(topic: string, size: number, most: number): Fault {
  const message = `a record for ${topic} takes up to ${size + BATCH_OVERHEAD} bytes, more than the ${most} the log takes; nothing of its batch was written`;
  return new Fault('MR_RECORD_TOO_LARGE', message, false);
}
