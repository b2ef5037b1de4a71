import { Fault, type Position } from '@millrace/kernel';
import { faultOf } from '../wire/faults.js';
import { errorOfCode } from '../wire/kafkajs-internals.js';
import { outcomeOf } from './produce-outcome.js';
import type { ProducedPartition } from '../wire/produce-request.js';
import { BATCH_OVERHEAD, encodeBatch, type PreparedRecord, type ProducerIdentity } from '../wire/record-batch-writer.js';

/** One call of `append`: settled when the last of its records is. */
export interface Append {
  readonly positions: Position[];
  waiting: number;
  readonly deadline: number;
  readonly resolve: (positions: readonly Position[]) => void;
  readonly reject: (fault: Fault) => void;
}

export interface QueuedRecord {
  readonly append: Append;
  readonly index: number;
  readonly prepared: PreparedRecord;
  readonly size: number;
}

/** A batch under its sequence; kept as it is until the broker has answered it. */
interface SentBatch {
  readonly records: readonly QueuedRecord[];
  readonly bytes: Buffer;
  readonly identity: ProducerIdentity;
  /** A try ended without an answer: the batch may be in the log. */
  isIndefinite: boolean;
}

export type Settlement =
  { readonly kind: 'settled' } | { readonly kind: 'unsettled'; readonly failure: Fault; readonly isProducerLost: boolean };

const SETTLED: Settlement = { kind: 'settled' };
const GOOD_BATCH_BYTES = 1024 * 1024;
/** Sequences are 32-bit and wrap. */
const SEQUENCES = 2 ** 31;

/** What waits to be appended to one partition, in order, and the one batch that is on its way. */
export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  leader: number;
  /** The largest batch the topic takes: a record that does not fit into one cannot be appended. */
  readonly largestBatch: number;
  /** Batches are cut at this: large topics need not mean large batches. */
  #maxBatchBytes: number;
  #waiting: QueuedRecord[] = [];
  /** Index of the first waiting record; the array is cut when enough of it is spent. */
  #head = 0;
  #sent: SentBatch | undefined;
  #identity: ProducerIdentity | undefined;
  #nextSequence = 0;

  constructor(topic: string, partition: number, leader: number, largestBatch: number) {
    this.topic = topic;
    this.partition = partition;
    this.leader = leader;
    this.largestBatch = largestBatch;
    this.#maxBatchBytes = Math.min(largestBatch, GOOD_BATCH_BYTES);
  }

  get isEmpty(): boolean {
    return !this.#sent && this.#head === this.#waiting.length;
  }

  add(record: QueuedRecord): void {
    this.#waiting.push(record);
  }

  /** The bytes to send: the batch under way if there is one, else the next, under `identity`. */
  take(identity: ProducerIdentity): Buffer {
    if (this.#sent) return this.#sent.bytes;
    if (this.#identity !== identity) {
      this.#identity = identity;
      this.#nextSequence = 0;
    }
    const records: QueuedRecord[] = [];
    let size = BATCH_OVERHEAD;
    for (; this.#head < this.#waiting.length; this.#head++) {
      const record = this.#waiting[this.#head] as QueuedRecord;
      if (records.length > 0 && size + record.size > this.#maxBatchBytes) break;
      size += record.size;
      records.push(record);
    }
    if (this.#head === this.#waiting.length || this.#head > 10_000) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    const bytes = encodeBatch(
      records.map((record) => record.prepared),
      identity,
      this.#nextSequence,
    );
    this.#sent = { records, bytes, identity, isIndefinite: false };
    return bytes;
  }

  sent(): SentBatch {
    return this.#sent as SentBatch;
  }

  markIndefinite(): void {
    if (this.#sent) this.#sent.isIndefinite = true;
  }

  /** Takes in what the broker said of the batch under way. */
  settle(answer: ProducedPartition | undefined): Settlement {
    const sent = this.#sent as SentBatch;
    if (!answer) {
      sent.isIndefinite = true;
      return this.#unsettled(new Fault('MR_LOG_UNAVAILABLE', 'the broker did not answer for every partition', true));
    }
    switch (outcomeOf(answer.errorCode)) {
      case 'written':
        this.#written(sent, answer.baseOffset);
        return SETTLED;
      case 'elsewhere':
        return this.#unsettled(this.#faultOf(answer));
      case 'again':
        sent.isIndefinite = true;
        return this.#unsettled(this.#faultOf(answer));
      case 'too-large':
        this.#split(sent);
        return SETTLED;
      case 'producer-lost': {
        const failure = this.#faultOf(answer);
        // A try that was never answered may have been the one that counts: a second one could be a second copy.
        if (sent.isIndefinite) this.#reject(sent.records, failure, true);
        else this.#putBack(sent.records);
        return { kind: 'unsettled', failure, isProducerLost: true };
      }
      case 'refused':
        this.#reject(sent.records, this.#faultOf(answer), false);
        return SETTLED;
    }
  }

  /**
   * Rejects what is past its deadline at `now` (all of it at Infinity). True when the batch under way was among it and may be in
   * the log: its sequence is uncertain then.
   */
  giveUp(now: number, cause: unknown): boolean {
    const sent = this.#sent;
    let isUncertain = false;
    if (sent?.records.some((record) => record.append.deadline <= now)) {
      isUncertain = sent.isIndefinite;
      this.#reject(sent.records, cause, isUncertain);
    }
    const waiting = this.#waiting.slice(this.#head);
    this.#waiting = waiting.filter((record) => record.append.deadline > now);
    this.#head = 0;
    for (const record of waiting) {
      if (record.append.deadline <= now) record.append.reject(this.#givenUp(cause, false, record.append));
    }
    return isUncertain;
  }

  #written(sent: SentBatch, baseOffset: number): void {
    this.#sent = undefined;
    this.#nextSequence = (this.#nextSequence + sent.records.length) % SEQUENCES;
    const { topic, partition } = this;
    sent.records.forEach(({ append, index }, delta) => {
      append.positions[index] = { topic, partition, offset: baseOffset + delta };
      if (--append.waiting === 0) append.resolve(append.positions);
    });
  }

  /** The broker's bound is lower than ours: smaller batches from now on, and a record that is too large alone is refused. */
  #split(sent: SentBatch): void {
    if (sent.records.length === 1) {
      const message = `a record for ${this.topic} takes ${sent.bytes.length} bytes, more than the topic takes`;
      this.#fail(sent.records, () => new Fault('MR_RECORD_TOO_LARGE', message, false));
      return;
    }
    this.#maxBatchBytes = Math.ceil(sent.bytes.length / 2);
    this.#putBack(sent.records);
  }

  #putBack(records: readonly QueuedRecord[]): void {
    this.#sent = undefined;
    this.#waiting = [...records, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
  }

  #reject(records: readonly QueuedRecord[], cause: unknown, isIndefinite: boolean): void {
    this.#fail(records, (append) => this.#givenUp(cause, isIndefinite, append));
  }

  /** What still waits of the same appends goes with the batch: behind a gap it would look as if all before it had been written. */
  #fail(records: readonly QueuedRecord[], faultOfOne: (append: Append) => Fault): void {
    this.#sent = undefined;
    const failed = new Set(records.map(({ append }) => append));
    this.#waiting = this.#waiting.slice(this.#head).filter(({ append }) => !failed.has(append));
    this.#head = 0;
    for (const append of failed) append.reject(faultOfOne(append));
  }

  #unsettled(failure: Fault): Settlement {
    return { kind: 'unsettled', failure, isProducerLost: false };
  }

  #faultOf(answer: ProducedPartition): Fault {
    return faultOf(errorOfCode(answer.errorCode), `appending to ${this.topic}/${this.partition}`);
  }

  #givenUp(cause: unknown, isIndefinite: boolean, append: Append): Fault {
    const fault = faultOf(cause, `appending to ${this.topic}/${this.partition}`);
    const doubt = isIndefinite ? 'its records there may be in the log all the same' : 'its records there are not in the log';
    // Of an append to several partitions another may have taken its part.
    const isRefusal = fault.isRefusal && !isIndefinite && append.positions.length === 1;
    return new Fault(fault.code, `${fault.message}; ${doubt}`, fault.retryable, { cause: fault.cause ?? fault, isRefusal });
  }
}
