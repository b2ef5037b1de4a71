import {
  partitionOf,
  type EventLog,
  type LogRecord,
  type NewRecord,
  type SubscribeOptions,
  type Subscription,
  type TopicSpec,
} from '@millrace/event-log';
import { LocalSubscriptions, type Fetched, type FetchRequest } from '@millrace/event-log/local';
import { Fault, type NextOffsets, type Position } from '@millrace/kernel';
import type { SimulatedBroker } from './simulated-broker.js';

const MAX_RECORD_BYTES = 25 * 1024 * 1024;
/** How far behind an append reported as failed may still arrive, and how far back a redelivery reaches. */
const LATE_MS = 400;
const REDELIVERED_RECORDS = 10;

/** The part of an append that goes to one partition: it arrives together or not at all. */
interface Parcel {
  readonly topic: string;
  readonly partition: number;
  readonly records: NewRecord[];
  /** Places of the records in the append. */
  readonly places: number[];
}

/**
 * One process's client of a {@link SimulatedBroker}: an {@link EventLog} whose hops take virtual time and go wrong as the broker's
 * faults say. After {@link crash} it does nothing any more and answers nothing; what it has sent may still arrive.
 */
export class SimulatedEventLog implements EventLog {
  readonly #subscriptions: LocalSubscriptions;
  /** When the last parcel for a partition arrives: appends of one client keep their order. */
  readonly #lastArrival = new Map<string, number>();
  #crashed = false;

  constructor(
    private readonly broker: SimulatedBroker,
    private readonly disconnected: (client: SimulatedEventLog) => void,
  ) {
    const source = {
      partitions: (topic: string) => broker.partitionsOf(topic),
      end: (topic: string, partition: number) => broker.records(topic, partition).length,
      fetch: (request: FetchRequest) => this.#fetch(request),
    };
    this.#subscriptions = new LocalSubscriptions(source, broker.time);
  }

  /** The process dies: no call of it returns, no batch is delivered. */
  crash(): void {
    this.#crashed = true;
    this.disconnected(this);
  }

  appended(topic: string, partition: number): void {
    this.#subscriptions.appended(topic, partition);
  }

  ensureTopic(spec: TopicSpec): Promise<void> {
    return this.#ask(() => this.broker.makeTopic(spec));
  }

  partitions(topic: string): Promise<number | undefined> {
    return this.#ask(() => this.broker.partitionsOf(topic));
  }

  topics(): Promise<readonly string[]> {
    return this.#ask(() => this.broker.topics());
  }

  end(topic: string): Promise<NextOffsets> {
    return this.#ask(() => this.#each(topic, (partition) => this.broker.records(topic, partition).length));
  }

  begin(topic: string): Promise<NextOffsets> {
    return this.#ask(() => this.#each(topic, () => 0));
  }

  ping(): Promise<void> {
    return this.#ask(() => undefined);
  }

  async append(records: readonly NewRecord[]): Promise<readonly Position[]> {
    const parcels = this.#parcels(records);
    if (this.#crashed) return await new Promise(() => undefined);
    const positions = new Array<Position>(records.length);
    await Promise.all(
      parcels.map(async (parcel) => {
        const first = await this.#send(parcel);
        const { topic, partition } = parcel;
        parcel.places.forEach((place, index) => (positions[place] = { topic, partition, offset: first + index }));
      }),
    );
    return positions;
  }

  subscribe(options: SubscribeOptions): Promise<Subscription> {
    return this.#ask(() => this.#subscriptions.subscribe(options), 0);
  }

  async *read(topic: string, partition: number, from: number, to = Infinity): AsyncGenerator<LogRecord> {
    const end = Math.min(to, (await this.end(topic))[partition] ?? 0);
    for (let offset = from; offset < end; offset++) yield this.broker.records(topic, partition)[offset] as LogRecord;
  }

  async close(): Promise<void> {
    await this.#subscriptions.stop();
    this.disconnected(this);
  }

  #each(topic: string, of: (partition: number) => number): number[] {
    const partitions = this.broker.partitionsOf(topic);
    if (partitions === undefined) throw new Fault('MR_TOPIC_UNKNOWN', `there is no topic ${topic}`, false);
    return Array.from({ length: partitions }, (_, partition) => of(partition));
  }

  /** A question travels to the broker and its answer back. */
  #ask<T>(answer: () => T, fails = this.broker.faults.questionFails): Promise<T> {
    return new Promise((resolve, reject) => {
      const { time, random } = this.broker;
      const isLost = random.chance(fails);
      time.after(this.broker.delay(), () => {
        // Settled by what is the case when the question arrives, told when the answer does.
        const told = isLost ? Promise.reject(unavailable('the broker does not answer')) : new Promise<T>((settle) => settle(answer()));
        told.catch(() => undefined);
        time.after(this.broker.delay(), () => {
          if (!this.#crashed) told.then(resolve, reject);
        });
      });
    });
  }

  #parcels(records: readonly NewRecord[]): Parcel[] {
    const parcels = new Map<string, Parcel>();
    records.forEach((record, place) => {
      const { topic, key, value } = record;
      const partitions = this.broker.partitionsOf(topic);
      if (partitions === undefined) throw new Fault('MR_TOPIC_UNKNOWN', `there is no topic ${topic}`, false);
      if (value.length > MAX_RECORD_BYTES) throw new Fault('MR_RECORD_TOO_LARGE', `a record of ${value.length} bytes is too large`, false);
      const partition = record.partition ?? partitionOf(key, partitions);
      const id = `${topic}/${partition}`;
      const parcel = parcels.get(id) ?? { topic, partition, records: [], places: [] };
      // The caller may use its buffer again.
      parcel.records.push({ ...record, value: Buffer.from(value) });
      parcel.places.push(place);
      parcels.set(id, parcel);
    });
    return [...parcels.values()];
  }

  /** Resolves to the offset of the parcel's first record, rejects, or does neither. */
  #send(parcel: Parcel): Promise<number> {
    const { broker } = this;
    const { random, faults, time } = broker;
    return new Promise((resolve, reject) => {
      const answer = (run: () => void) => void time.after(broker.delay(), () => (this.#crashed ? undefined : run()));
      const fail = () => reject(unavailable('the append was not acknowledged'));
      const [isLost, isUnacknowledged, isLate, hangs, isDuplicated] = [
        random.chance(faults.appendLost),
        random.chance(faults.appendUnacknowledged),
        random.chance(faults.appendLate),
        random.chance(faults.appendHangs),
        random.chance(faults.appendDuplicated),
      ];
      const travel = broker.delay();
      if (isLost) {
        answer(hangs ? () => undefined : fail);
        return;
      }
      if (isLate) {
        answer(hangs ? () => undefined : fail);
        broker.send(travel + random.between(0, LATE_MS), () => void this.#arrive(parcel));
        return;
      }
      const id = `${parcel.topic}/${parcel.partition}`;
      const at = Math.max(time.now() + travel, this.#lastArrival.get(id) ?? 0);
      this.#lastArrival.set(id, at);
      broker.send(at - time.now(), () => {
        const first = this.#arrive(parcel);
        if (isDuplicated) broker.send(random.between(0, LATE_MS), () => void this.#arrive(parcel));
        if (hangs) return;
        answer(isUnacknowledged ? fail : () => resolve(first));
      });
    });
  }

  #arrive(parcel: Parcel): number {
    return this.broker.arrive(parcel.topic, parcel.partition, parcel.records);
  }

  async #fetch({ topic, partition, from, maxRecords, maxBytes }: FetchRequest): Promise<Fetched | undefined> {
    const { broker } = this;
    const { random, faults, time } = broker;
    const all = broker.records(topic, partition);
    if (from >= all.length && !this.#crashed) return undefined;
    await time.pass(broker.delay());
    if (this.#crashed) return await new Promise(() => undefined);
    // Beyond the end there is nothing to give again, so a reader that is caught up does rest.
    const start = random.chance(faults.redelivered) ? Math.max(0, from - random.between(1, REDELIVERED_RECORDS)) : from;
    const most = Math.min(maxRecords, faults.redelivered > 0 ? random.between(1, 2 * REDELIVERED_RECORDS) : maxRecords);
    const records: LogRecord[] = [];
    let bytes = 0;
    for (const record of all.slice(start, start + most)) {
      bytes += record.value.length;
      if (records.length > 0 && bytes > maxBytes) break;
      records.push(record);
    }
    return { records, nextOffset: start + records.length, fresh: true };
  }
}

function unavailable(message: string): Fault {
  return new Fault('MR_LOG_UNAVAILABLE', message, true);
}
