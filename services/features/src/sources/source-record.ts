import { topicManifest } from '@millrace/contracts';
import { partitionOf, type Decoded, type LogRecord } from '@millrace/event-log';
import {
  readSourceEvent,
  readSourceRecord,
  recordKeyOf,
  type DecodedEvent,
  type SourceEvent,
  type SourcePlan,
  type Value,
} from '@millrace/feature-engine';
import type { Source } from '../definitions/feature-definitions.js';
import type { Expectation } from './expectations.js';

export interface SourceRules {
  /** Partitions of the source's topic. */
  readonly partitions: number;
  /** How far an event time may lie after its record's time. */
  readonly maxAheadMs: number;
}

/** Keys repeat; their partitions are remembered up to this many. */
const REMEMBERED_KEYS = 50_000;

/**
 * Reads records of a source: a JSON object of its columns, or a CloudEvent (binary or structured mode) whose data is one. Whatever reads the
 * source reads it through this, so that online and offline stores hold the same events.
 */
export class SourceReader {
  /** Why nobody may send events of it, where that is so: by a definition of old, what is sent would be decisions or facts of the platform. */
  readonly refusal: string | undefined;
  readonly #source: Source;
  readonly #rules: SourceRules;
  readonly #partitions = new Map<string, number>();

  constructor(source: Source, rules: SourceRules) {
    this.#source = source;
    this.#rules = rules;
    const { name, topic } = source.plan;
    this.refusal = topicManifest(topic) && `${topic}, the topic of source ${name}, is the platform's own; give the source another`;
  }

  get plan(): SourcePlan {
    return this.#source.plan;
  }

  decode(record: LogRecord): Decoded<SourceEvent> {
    const event = this.#decode(record);
    if (!event.ok || this.plan.key.length === 0) return event;
    const key = this.keyOf(event.value);
    const partition = this.partition(key);
    // A read looks for an entity in its key's partition alone: an event elsewhere would be lost in silence.
    if (partition === record.partition) return event;
    return { ok: false, reason: `key ${JSON.stringify(key)} belongs to partition ${partition}, the record is in ${record.partition}` };
  }

  #decode(record: LogRecord): DecodedEvent {
    return this.#timely(readSourceRecord(this.plan, this.#source.format, record), record.timestamp);
  }

  /** An event from its fields; `now` is when its record is, or will be, made. */
  read(fields: unknown, partition: number, offset: number, now: number): DecodedEvent {
    return this.#timely(readSourceEvent(this.plan, fields, partition, offset), now);
  }

  #timely(event: DecodedEvent, now: number): DecodedEvent {
    if (event.ok && event.value.time > now + this.#rules.maxAheadMs) {
      const name = this.plan.columns[this.plan.eventTime]?.name ?? '';
      return {
        ok: false,
        reason: `field ${name} is ${new Date(event.value.time).toISOString()}, too far after its record's ${new Date(now).toISOString()}`,
      };
    }
    return event;
  }

  /** What of the event is not as expected; `action` says what is done about it at the door. */
  unexpected(event: SourceEvent): { readonly expectation: Expectation; readonly problem: string }[] {
    return this.#source.expectations.flatMap((expectation) => {
      const problem = expectation.problem(event);
      return problem === undefined ? [] : [{ expectation, problem }];
    });
  }

  /** The record key the source declares; `null` when it declares none. */
  keyOf(event: SourceEvent): string {
    return recordKeyOf(this.plan.key.map((column) => event.values[column] as Value));
  }

  partition(key: string): number {
    let partition = this.#partitions.get(key);
    if (partition === undefined) {
      partition = partitionOf(key, this.#rules.partitions);
      if (this.#partitions.size >= REMEMBERED_KEYS) this.#partitions.clear();
      this.#partitions.set(key, partition);
    }
    return partition;
  }
}
