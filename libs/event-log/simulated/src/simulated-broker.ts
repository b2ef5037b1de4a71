import type { LogRecord, NewRecord, TopicSpec } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';
import { NO_FAULTS, type Faults } from './faults.js';
import { Random } from './random.js';
import { SimulatedEventLog } from './simulated-event-log.js';
import { VirtualTime } from './virtual-time.js';

export interface SimulatedBrokerOptions {
  readonly seed: number;
  readonly faults?: Partial<Faults>;
  /** Default: a time of its own, to be driven by the user. */
  readonly time?: VirtualTime;
}

interface Topic {
  readonly spec: TopicSpec;
  readonly partitions: readonly LogRecord[][];
}

/** The log itself, in memory: what has arrived here is in the log, for everyone and for good. Processes reach it by {@link connect}. */
export class SimulatedBroker {
  readonly time: VirtualTime;
  readonly random: Random;
  faults: Faults;
  readonly #topics = new Map<string, Topic>();
  readonly #clients = new Set<SimulatedEventLog>();
  /** Records that have been sent and have neither arrived nor been lost. */
  #underway = 0;

  constructor(options: SimulatedBrokerOptions) {
    this.time = options.time ?? new VirtualTime();
    this.random = new Random(options.seed);
    this.faults = { ...NO_FAULTS, ...options.faults };
  }

  /** A client, as one process has it. */
  connect(): SimulatedEventLog {
    const client = new SimulatedEventLog(this, (gone) => this.#clients.delete(gone));
    this.#clients.add(client);
    return client;
  }

  delay(): number {
    return this.random.between(0, this.faults.maxDelayMs);
  }

  /** Nothing that was sent can still arrive. */
  get isQuiet(): boolean {
    return this.#underway === 0;
  }

  /** Sends something that arrives (or is found lost) at that time. */
  send(delayMs: number, arrive: () => void): void {
    this.#underway++;
    this.time.after(delayMs, () => {
      this.#underway--;
      arrive();
    });
  }

  makeTopic(spec: TopicSpec): void {
    const found = this.#topics.get(spec.name)?.spec;
    if (!found) this.#topics.set(spec.name, { spec, partitions: Array.from({ length: spec.partitions }, () => []) });
    else if (found.partitions !== spec.partitions) {
      throw new Fault('MR_TOPIC_PARTITIONS', `topic ${spec.name} has ${found.partitions} partitions, wanted are ${spec.partitions}`, false);
    }
  }

  topics(): string[] {
    return [...this.#topics.keys()];
  }

  partitionsOf(topic: string): number | undefined {
    return this.#topics.get(topic)?.spec.partitions;
  }

  /** A partition's records as they are now; for checkers too. */
  records(topic: string, partition: number): readonly LogRecord[] {
    const records = this.#topics.get(topic)?.partitions[partition];
    if (!records) throw new Fault('MR_TOPIC_UNKNOWN', `there is no ${topic}/${partition}`, false);
    return records;
  }

  /** Puts records at the partition's end, together, and returns the offset of the first. */
  arrive(topic: string, partition: number, sent: readonly NewRecord[]): number {
    const records = this.records(topic, partition) as LogRecord[];
    const first = records.length;
    for (const { key, value, headers = {}, timestamp = this.time.now() } of sent) {
      records.push({ topic, partition, offset: records.length, key, value, headers, timestamp });
    }
    for (const client of this.#clients) client.appended(topic, partition);
    return first;
  }
}
