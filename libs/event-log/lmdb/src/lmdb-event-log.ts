import {
  partitionOf,
  type EventLog,
  type LogRecord,
  type NewRecord,
  type SubscribeOptions,
  type Subscription,
  type TopicSpec,
} from '@millrace/event-log';
import { LocalSubscriptions, timerScheduler, type Fetched, type FetchRequest, type RecordSource } from '@millrace/event-log/local';
import { Fault, type Clock, type NextOffsets, type Position, type Scheduler } from '@millrace/kernel';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sizeOf, type ChunkBuilder } from './chunk.js';
import { lackOfRoom } from './disk-room.js';
import { GroupCommit } from './group-commit.js';
import { LmdbFiles, type StoredTopic } from './lmdb-files.js';
import { RecentRecords } from './recent-records.js';

export interface LmdbEventLogOptions {
  /** The file; its directory is made when missing. LMDB keeps its lock beside it. */
  readonly path: string;
  /** For readers beside a running platform. The file must be there. */
  readonly readOnly?: boolean;
  /** A larger record is refused with `MR_RECORD_TOO_LARGE`, unless its topic sets a bound of its own. Default 25 MiB. */
  readonly maxRecordBytes?: number;
  /** Bytes that may wait to be written; more are refused with `MR_LOG_OVERLOADED`. Default 64 MiB. */
  readonly maxQueuedBytes?: number;
  /** Bytes of one partition's newest records kept in memory for readers who are caught up. Default 4 MiB. */
  readonly maxRecentBytes?: number;
  /** How often what other processes have appended is looked for, while anyone subscribes. Default 20 ms. */
  readonly pollMs?: number;
  /** How often expired records are removed. Default one minute. */
  readonly retentionMs?: number;
  /** Room that has to stay free on the disk; appends that would take it are refused. Default: a twentieth of the disk, 16 to 256 MiB. */
  readonly reserveBytes?: number;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
}

const MAX_CHUNK_BYTES = 256 * 1024;
const READ_RECORDS = 1000;
const READ_BYTES = 1024 * 1024;

interface OpenTopic {
  readonly stored: StoredTopic;
  readonly ends: number[];
  readonly recent: readonly RecentRecords[];
}

/**
 * The embedded {@link EventLog}: one LMDB file. An append resolves after fsync; appends made at the same time share one (group
 * commit). Readers in this process get records straight from the commit while they are caught up, and from the file otherwise.
 * Other processes may append to and read the same file; what they append is seen within `pollMs`. Groups share partitions
 * among the subscriptions of one process, not between processes. Records expire by the time of their append, not by their
 * timestamp, so that replaying old events does not lose them; the file does not shrink, its room is used again.
 */
export class LmdbEventLog implements EventLog {
  readonly #options: Required<Omit<LmdbEventLogOptions, 'reserveBytes'>>;
  readonly #reserveBytes: number | undefined;
  readonly #files: LmdbFiles;
  readonly #topics = new Map<string, OpenTopic>();
  readonly #commits: GroupCommit;
  readonly #subscriptions: LocalSubscriptions;
  #polling: (() => void) | undefined;
  #pruning: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  static async open(options: LmdbEventLogOptions): Promise<LmdbEventLog> {
    if (!options.readOnly) await mkdir(dirname(options.path), { recursive: true });
    return new LmdbEventLog(options);
  }

  private constructor(options: LmdbEventLogOptions) {
    this.#options = {
      readOnly: false,
      maxRecordBytes: 25 * 1024 * 1024,
      maxQueuedBytes: 64 * 1024 * 1024,
      maxRecentBytes: 4 * 1024 * 1024,
      pollMs: 20,
      retentionMs: 60_000,
      clock: { now: () => Date.now() },
      scheduler: timerScheduler,
      ...options,
    };
    this.#reserveBytes = options.reserveBytes;
    const { path, readOnly, maxQueuedBytes, clock, scheduler } = this.#options;
    this.#files = new LmdbFiles(path, readOnly);
    this.#commits = new GroupCommit({
      maxQueuedBytes,
      maxChunkBytes: MAX_CHUNK_BYTES,
      now: () => clock.now(),
      write: async (take, bytes) => {
        const lack = this.#lackOfRoom(bytes);
        if (lack !== undefined) throw diskFull(lack);
        await this.#files.write(take, (name) => this.#topic(name).stored, clock.now());
      },
      committed: (chunks) => this.#committed(chunks),
    });
    const source: RecordSource = {
      partitions: (topic) => this.#find(topic)?.stored.partitions,
      end: (topic, partition) => this.#topic(topic).ends[partition] as number,
      fetch: (request) => this.#fetch(request),
    };
    this.#subscriptions = new LocalSubscriptions(source, scheduler);
    if (!readOnly) this.#schedulePruning();
  }

  async ensureTopic(spec: TopicSpec): Promise<void> {
    const stored = this.#find(spec.name)?.stored ?? (await this.#files.makeTopic(spec));
    if (stored.partitions !== spec.partitions) {
      const message = `topic ${spec.name} has ${stored.partitions} partitions, wanted are ${spec.partitions}; the count is frozen, make a new topic`;
      throw new Fault('MR_TOPIC_PARTITIONS', message, false);
    }
  }

  partitions(topic: string): Promise<number | undefined> {
    return Promise.resolve(this.#find(topic)?.stored.partitions);
  }

  topics(): Promise<readonly string[]> {
    this.#files.refresh();
    return Promise.resolve(this.#files.topics().map(({ name }) => name));
  }

  async append(records: readonly NewRecord[]): Promise<readonly Position[]> {
    if (this.#closing) throw new Fault('MR_LOG_CLOSED', 'the log is closed', false);
    if (this.#options.readOnly) throw new Fault('MR_LOG_READ_ONLY', 'the log was opened for reading', false);
    if (records.length === 0) return [];
    const partitions: number[] = [];
    let bytes = 0;
    for (const record of records) {
      const size = sizeOf(record);
      const bound = this.#topic(record.topic).stored.maxRecordBytes ?? this.#options.maxRecordBytes;
      if (size > bound) throw tooLarge(record.topic, size, bound);
      bytes += size;
      partitions.push(this.#partitionOf(record));
    }
    return await this.#commits.append(records, partitions, bytes);
  }

  async end(topic: string): Promise<NextOffsets> {
    const { stored } = this.#topic(topic);
    this.#files.refresh();
    return Array.from({ length: stored.partitions }, (_, partition) => this.#files.end(stored, partition));
  }

  async begin(topic: string): Promise<NextOffsets> {
    const { stored } = this.#topic(topic);
    this.#files.refresh();
    return Array.from({ length: stored.partitions }, (_, partition) => this.#files.begin(stored, partition));
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    const topic = this.#topic(options.topic);
    this.#files.refresh();
    this.#look(topic);
    const subscription = this.#subscriptions.subscribe(options);
    this.#schedulePolling();
    return subscription;
  }

  async *read(topic: string, partition: number, from: number, to = Infinity): AsyncGenerator<LogRecord> {
    const { stored } = this.#topic(topic);
    this.#files.refresh();
    const end = Math.min(to, this.#files.end(stored, partition));
    for (let next = from; next < end;) {
      const read = this.#files.read(stored, partition, next, Math.min(READ_RECORDS, end - next), READ_BYTES);
      if (!read) return;
      if (read.unreadable) {
        const { offset, nextOffset, reason } = read.unreadable;
        const message = `${topic}/${partition}@${offset} cannot be read: ${reason}; go on at ${nextOffset}`;
        throw new Fault('MR_RECORD_UNREADABLE', message, false, { details: { nextOffset } });
      }
      for (const record of read.records) {
        if (record.offset >= end) return;
        yield record;
      }
      next = read.nextOffset;
    }
  }

  ping(): Promise<void> {
    this.#files.topics();
    const lack = this.#options.readOnly ? undefined : this.#lackOfRoom(0);
    return lack === undefined ? Promise.resolve() : Promise.reject(diskFull(lack));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Removes what has outlived its topic's retention; runs by itself every `retentionMs`. Returns how many chunks went. */
  async prune(): Promise<number> {
    const now = this.#options.clock.now();
    let total = 0;
    for (const topic of this.#files.topics()) {
      if (topic.retention === 'forever') continue;
      for (let partition = 0; partition < topic.partitions; partition++) {
        for (let more = true; more;) {
          const pruned = await this.#files.prune(topic, partition, now - topic.retention.milliseconds);
          total += pruned.removed;
          more = pruned.more;
        }
      }
    }
    return total;
  }

  async clear(): Promise<void> {
    await this.#commits.idle();
    await this.#files.clear();
    for (const { recent } of this.#topics.values()) for (const records of recent) records.clear();
  }

  async #close(): Promise<void> {
    this.#polling?.();
    this.#pruning?.();
    await this.#subscriptions.stop();
    await this.#commits.idle();
    await this.#files.close();
  }

  #lackOfRoom(bytes: number): string | undefined {
    return lackOfRoom(dirname(this.#options.path), bytes, this.#reserveBytes);
  }

  #partitionOf({ topic, key, partition }: NewRecord): number {
    const { partitions } = this.#topic(topic).stored;
    if (partition === undefined) return partitionOf(key, partitions);
    if (partition >= 0 && partition < partitions) return partition;
    throw new Fault('MR_PARTITION_UNKNOWN', `${topic} has ${partitions} partitions, none is ${partition}`, false);
  }

  #find(name: string): OpenTopic | undefined {
    const known = this.#topics.get(name);
    if (known) return known;
    this.#files.refresh();
    const stored = this.#files.topic(name);
    if (!stored) return undefined;
    const each = Array.from({ length: stored.partitions }, (_, partition) => partition);
    const topic = {
      stored,
      ends: each.map((partition) => this.#files.end(stored, partition)),
      recent: each.map(() => new RecentRecords(this.#options.maxRecentBytes)),
    };
    this.#topics.set(name, topic);
    return topic;
  }

  #topic(name: string): OpenTopic {
    const topic = this.#find(name);
    if (!topic) throw new Fault('MR_TOPIC_UNKNOWN', `there is no topic ${name}`, false);
    return topic;
  }

  #committed(chunks: readonly ChunkBuilder[]): void {
    for (const chunk of chunks) {
      const { ends, recent } = this.#topic(chunk.topic);
      const { partition } = chunk;
      // The poll may have seen this commit first.
      ends[partition] = Math.max(ends[partition] as number, chunk.base + chunk.count);
      if (!this.#subscriptions.isRead(chunk.topic)) recent[partition]?.clear();
      else {
        recent[partition]?.forget(this.#subscriptions.unreadFrom(chunk.topic, partition));
        recent[partition]?.add(chunk.base, chunk.logRecords(), chunk.bytes);
        this.#subscriptions.appended(chunk.topic, partition);
      }
    }
  }

  #fetch({ topic: name, partition, from, maxRecords, maxBytes }: FetchRequest): Fetched | undefined {
    const { stored, ends, recent } = this.#topic(name);
    if (from >= (ends[partition] as number)) return undefined;
    const records = recent[partition]?.take(from, maxRecords, maxBytes);
    if (records) return { records, nextOffset: (records.at(-1) as LogRecord).offset + 1 };
    const read = this.#files.read(stored, partition, from, maxRecords, maxBytes);
    if (read) return read;
    // Nothing where something was: retention has taken it, or this read is of a moment before it was written.
    this.#files.refresh();
    const begin = this.#files.begin(stored, partition);
    return begin > from ? { records: [], nextOffset: begin } : this.#files.read(stored, partition, from, maxRecords, maxBytes);
  }

  /** Takes note of what other processes have appended to the topic. */
  #look({ stored, ends }: OpenTopic): void {
    for (let partition = 0; partition < stored.partitions; partition++) {
      const end = this.#files.end(stored, partition);
      if (end <= (ends[partition] as number)) continue;
      ends[partition] = end;
      this.#subscriptions.appended(stored.name, partition);
    }
  }

  #schedulePolling(): void {
    this.#polling ??= this.#options.scheduler.after(this.#options.pollMs, () => {
      this.#polling = undefined;
      const topics = this.#subscriptions.topics();
      if (topics.length === 0 || this.#closing) return;
      this.#files.refresh();
      for (const topic of topics) this.#look(this.#topic(topic));
      this.#schedulePolling();
    });
  }

  #schedulePruning(): void {
    this.#pruning = this.#options.scheduler.after(this.#options.retentionMs, () => {
      // A failed round is repeated with the next: what is expired stays expired.
      const again = () => {
        if (!this.#closing) this.#schedulePruning();
      };
      void this.prune().then(again, again);
    });
  }
}

/** It is asked before anything is written, so nothing of the append will ever be read: a command need not wait to be told so. */
function diskFull(lack: string): Fault {
  return new Fault('MR_LOG_DISK_FULL', lack, true, { isRefusal: true });
}

function tooLarge(topic: string, size: number, bound: number): Fault {
  return new Fault(
    'MR_RECORD_TOO_LARGE',
    `a record of ${size} bytes for ${topic} is over the bound of ${bound}; nothing was appended`,
    false,
  );
}
