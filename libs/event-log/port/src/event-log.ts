import type { NextOffsets, Position } from '@millrace/kernel';

/** Header values are text; a header repeated on the wire keeps its last value. */
export type Headers = Readonly<Record<string, string>>;

/** A record as it is read: the value is the producer's bytes, untouched. */
export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** `null`: the producer gave none. */
  readonly key: string | null;
  readonly value: Buffer;
  readonly headers: Headers;
  /** Milliseconds since the epoch: when the producer made the record, or the log took it. */
  readonly timestamp: number;
}

/** A record to append. The partition is {@link partitionOf} the key unless given; records of one key stay in order. */
export interface NewRecord {
  readonly topic: string;
  readonly key: string | null;
  readonly value: Buffer;
  readonly headers?: Headers;
  readonly partition?: number;
  readonly timestamp?: number;
}

export interface TopicSpec {
  readonly name: string;
  /** Frozen at birth: adding partitions would re-hash keys and break order per key. */
  readonly partitions: number;
  /** How long records are kept; `forever` for decisions. */
  readonly retention: 'forever' | { readonly milliseconds: number };
  /** The largest record to be appended, where the log's usual bound (about a megabyte on Kafka) is too low. */
  readonly maxRecordBytes?: number;
}

/** Records of one partition in offset order. `nextOffset` is where the reader stands after them (it can lie past the last record). */
export interface LogBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly LogRecord[];
  readonly nextOffset: number;
  /** The partition's end as last seen: `end - nextOffset` is the lag. */
  readonly end: number;
}

export interface SubscribeOptions {
  readonly topic: string;
  /**
   * Readers of the same group share the topic's partitions; without a group this reader gets all of them.
   * A group is only a way to share work: positions are the caller's, and two owners of a partition must do no harm.
   */
  readonly group?: string;
  /** The next offset to read of a partition, asked whenever the partition is (re)assigned to this reader. */
  readonly from: (partition: number) => number | Promise<number>;
  /**
   * One call at a time per partition. A batch whose call rejects is delivered again after a pause: handlers that want
   * anything else (dead letters, skips) decide it inside. {@link LogConsumer} does that for services.
   */
  readonly onBatch: (batch: LogBatch) => Promise<void>;
  /** Told when partitions are taken away, after their running batch has settled. */
  readonly onRevoked?: (partitions: readonly number[]) => void | Promise<void>;
  /** A record that could not be read at all (wrong compression, bad CRC): its bytes where there are any. The reader goes on after it. */
  readonly onUnreadable?: (unreadable: UnreadableRecord) => Promise<void>;
  readonly maxBatchRecords?: number;
  readonly maxBatchBytes?: number;
  /**
   * How long a reader that is at the end may let new records gather before they are handed over, unless it is hurried: what each batch
   * costs is then paid less often. A log whose fetches gather anyway need not heed it. Default: 0.
   */
  readonly lingerMs?: number;
}

export interface UnreadableRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Where the reader goes on: what could not be read may have been several records. */
  readonly nextOffset: number;
  readonly bytes: Buffer | null;
  readonly reason: string;
}

export interface Subscription {
  /** Partitions this reader owns now. */
  assigned(): readonly number[];
  /** Records between this reader and the end, over its partitions, as last seen. */
  lag(): number;
  /** Hands over what is gathering at once: somebody waits for it. */
  hurry(): void;
  /** Stops fetching, waits for running batches, leaves the group. */
  stop(): Promise<void>;
}

/**
 * The log: topics of partitions of records, in order, durable, never changed. One contract suite
 * (`eventLogContract`) holds for every adapter.
 */
export interface EventLog {
  /**
   * Makes the topic if it is missing; otherwise leaves it as it is. Throws `MR_TOPIC_PARTITIONS` when it exists with another partition count.
   */
  ensureTopic(spec: TopicSpec): Promise<void>;
  /** Partition count of a topic, or `undefined` when there is no such topic. */
  partitions(topic: string): Promise<number | undefined>;
  topics(): Promise<readonly string[]>;
  /**
   * Resolves when every record is durable (acks from all in-sync replicas; fsync), with their positions in the order given.
   * A throw is indefinite: any of the records may be in the log. Only a fault that is not retryable is definite: nothing was
   * written (`MR_RECORD_TOO_LARGE`, `MR_TOPIC_UNKNOWN`). Appends of one caller to one partition keep their order, awaited or not, and
   * of one that failed each partition has the records up to some point and none behind it.
   */
  append(records: readonly NewRecord[]): Promise<readonly Position[]>;
  /** Offset after the last record, by partition. */
  end(topic: string): Promise<NextOffsets>;
  /** Offset of the first record still kept, by partition. */
  begin(topic: string): Promise<NextOffsets>;
  /** Throws `MR_TOPIC_UNKNOWN` when there is no such topic. */
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /** Reads a bounded range once, without a group: for queries, tests and the CLI. Ends at `to` (exclusive) or the end as it is at the call. */
  read(topic: string, partition: number, from: number, to?: number): AsyncIterable<LogRecord>;
  /**
   * Removes every record of every topic; offsets go on where they were, so readers stay where they are. For tests, and only where the log
   * belongs to one process: absent otherwise.
   */
  clear?(): Promise<void>;
  /** Cheap liveness: resolves when the log answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
