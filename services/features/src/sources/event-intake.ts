import type { EventLog, Headers, NewRecord } from '@millrace/event-log';
import type { SourceEvent } from '@millrace/feature-engine';
import type { Position } from '@millrace/kernel';
import { rejectionKind } from './rejection-kind.js';
import type { SourceReader } from './source-record.js';

/** One event of a request: its fields for the source's columns and the bytes to put on the log; or why it is none. */
export type GivenEvent =
  | { readonly line: number; readonly fields: unknown; readonly value: Buffer; readonly headers?: Headers }
  | { readonly line: number; readonly reason: string };

/** At hand, or as they come in. */
export type GivenEvents = AsyncIterable<GivenEvent> | Iterable<GivenEvent>;

export interface RejectedEvent {
  readonly line: number;
  readonly reason: string;
}

export interface IntakeResult {
  readonly accepted: number;
  readonly rejectedCount: number;
  /** The first of them. */
  readonly rejected: readonly RejectedEvent[];
  /** How many, by the kind of the reason. */
  readonly rejectedKinds: ReadonlyMap<string, number>;
  /** The last position written in each partition. */
  readonly positions: readonly Position[];
}

const BATCH_RECORDS = 2_000;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Appends under way at once; beyond it the request's body is read more slowly. */
const IN_FLIGHT = 4;
const MOST_TOLD = 1_000;

/** Validates events of a source and appends them to its topic, in order, as they come. */
export class EventIntake {
  constructor(
    private readonly log: EventLog,
    private readonly now: () => number,
  ) {}

  /**
   * Appends what is valid and tells what is not. A throw is indefinite: some may be on the log; events carry ids, so sending them again counts
   * each once.
   */
  async take(reader: SourceReader, events: GivenEvents, traceparent: string | undefined): Promise<IntakeResult> {
    const outcome = new Outcome();
    let batch: NewRecord[] = [];
    let bytes = 0;
    const inFlight = new Set<Promise<void>>();
    let failure: { error: unknown } | undefined;
    const flush = async (): Promise<void> => {
      const records = batch;
      batch = [];
      bytes = 0;
      const append = this.log.append(records).then(
        (positions) => outcome.appended(positions),
        (error: unknown) => void (failure ??= { error }),
      );
      const settled = append.finally(() => inFlight.delete(settled));
      inFlight.add(settled);
      if (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
    };
    for await (const event of events) {
      if (failure) break;
      const record = this.#record(reader, event, traceparent);
      if ('reason' in record) {
        outcome.reject(event.line, record.reason);
        continue;
      }
      batch.push(record);
      bytes += record.value.length;
      if (batch.length >= BATCH_RECORDS || bytes >= BATCH_BYTES) await flush();
    }
    if (batch.length > 0 && !failure) await flush();
    await Promise.all(inFlight);
    if (failure) throw failure.error;
    return outcome.result();
  }

  /** All of them or, when one is not valid, none. */
  async takeAll(reader: SourceReader, events: GivenEvents, traceparent: string | undefined): Promise<IntakeResult> {
    const outcome = new Outcome();
    const records: NewRecord[] = [];
    for await (const event of events) {
      const record = this.#record(reader, event, traceparent);
      if ('reason' in record) outcome.reject(event.line, record.reason);
      else records.push(record);
    }
    if (!outcome.hasRejected && records.length > 0) outcome.appended(await this.log.append(records));
    return outcome.result();
  }

  #record(reader: SourceReader, event: GivenEvent, traceparent: string | undefined): NewRecord | { readonly reason: string } {
    if ('reason' in event) return event;
    if (reader.refusal !== undefined) return { reason: reader.refusal };
    const now = this.now();
    const read = reader.read(event.fields, 0, 0, now);
    if (!read.ok) return read;
    const refused = reader.unexpected(read.value).find(({ expectation }) => expectation.action === 'reject');
    if (refused) return { reason: refused.problem };
    const { key, partition } = placeOf(reader, read.value);
    const headers = traceparent === undefined ? event.headers : { ...event.headers, traceparent };
    return { topic: reader.plan.topic, key, partition, value: event.value, timestamp: now, ...(headers ? { headers } : {}) };
  }
}

function placeOf(reader: SourceReader, event: SourceEvent): { key: string | null; partition: number } {
  if (reader.plan.key.length > 0) {
    const key = reader.keyOf(event);
    return { key, partition: reader.partition(key) };
  }
  // Without a key, the event's id spreads the events, and repeats of one event meet in one partition.
  const { eventId } = reader.plan;
  const id = eventId < 0 ? null : String(event.values[eventId]);
  return { key: id, partition: id === null ? 0 : reader.partition(id) };
}

class Outcome {
  #accepted = 0;
  #rejectedCount = 0;
  readonly #rejected: RejectedEvent[] = [];
  readonly #last = new Map<number, Position>();
  readonly #kinds = new Map<string, number>();

  get hasRejected(): boolean {
    return this.#rejectedCount > 0;
  }

  reject(line: number, reason: string): void {
    this.#rejectedCount++;
    const kind = rejectionKind(reason);
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
    if (this.#rejected.length < MOST_TOLD) this.#rejected.push({ line, reason });
  }

  appended(positions: readonly Position[]): void {
    this.#accepted += positions.length;
    for (const position of positions) {
      const before = this.#last.get(position.partition);
      if (!before || before.offset < position.offset) this.#last.set(position.partition, position);
    }
  }

  result(): IntakeResult {
    return {
      accepted: this.#accepted,
      rejectedCount: this.#rejectedCount,
      rejected: this.#rejected,
      rejectedKinds: this.#kinds,
      positions: [...this.#last.values()].sort((a, b) => a.partition - b.partition),
    };
  }
}
