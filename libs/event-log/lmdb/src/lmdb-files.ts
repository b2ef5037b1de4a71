import type { LogRecord, TopicSpec, UnreadableRecord } from '@millrace/event-log';
import { open, type Database, type RootDatabase } from 'lmdb';
import { appendedAt, countOf, decodeChunk, flawOf, type ChunkBuilder } from './chunk.js';
import { chunkKey, encodeOffset, offsetOf, partitionKey, readOffset } from './keys.js';

/** A topic as it is stored; the id stands for the name in keys. */
export interface StoredTopic extends TopicSpec {
  readonly id: number;
}

export interface StoredRecords {
  readonly records: LogRecord[];
  readonly nextOffset: number;
  readonly unreadable?: UnreadableRecord;
}

/** Chunks removed in one transaction; a long-neglected topic must not make one of gigabytes. */
const MAX_PRUNED = 500;

/**
 * The log's tables in one LMDB environment. `overlappingSync` is off, so a commit is LMDB's own: data pages, fdatasync, then the
 * meta page through O_DSYNC, and only then visible. So whoever sees a record, in this process or another, sees a durable one.
 * Any number of processes may have it open; LMDB lets one write at a time.
 */
export class LmdbFiles {
  readonly #env: RootDatabase<Buffer, Buffer>;
  /** Name -> {@link StoredTopic}. */
  readonly #topics: Database<StoredTopic, string>;
  /** Partition -> offset after its last record. Beside the chunks, because retention may remove the last of them. */
  readonly #ends: Database<Buffer, Buffer>;
  readonly #chunks: Database<Buffer, Buffer>;

  constructor(path: string, readOnly: boolean) {
    this.#env = open({
      path,
      encoding: 'binary',
      keyEncoding: 'binary',
      maxDbs: 4,
      maxReaders: 254,
      noSubdir: true,
      overlappingSync: false,
      // Commits are grouped by ourselves; lmdb-js's own grouping also leaves a failed commit's second promise to nobody.
      eventTurnBatching: false,
      readOnly,
    });
    this.#topics = this.#env.openDB({ name: 'topics', encoding: 'json', keyEncoding: 'ordered-binary' });
    this.#ends = this.#env.openDB({ name: 'ends', encoding: 'binary', keyEncoding: 'binary' });
    this.#chunks = this.#env.openDB({ name: 'chunks', encoding: 'binary', keyEncoding: 'binary' });
  }

  /** Makes later reads see what other processes have committed until now. */
  refresh(): void {
    this.#env.resetReadTxn();
  }

  topic(name: string): StoredTopic | undefined {
    return this.#topics.get(name);
  }

  topics(): StoredTopic[] {
    return [...this.#topics.getRange()].map(({ value }) => value);
  }

  /** Makes the topic unless it is there; returns it as it is stored. */
  async makeTopic(spec: TopicSpec): Promise<StoredTopic> {
    return await this.#transaction(() => {
      const found = this.#topics.get(spec.name);
      if (found) return found;
      const ids = [...this.#topics.getRange()].map(({ value }) => value.id);
      const topic: StoredTopic = { ...spec, id: Math.max(0, ...ids) + 1 };
      void this.#topics.put(spec.name, topic);
      return topic;
    });
  }

  end(topic: StoredTopic, partition: number): number {
    const stored = this.#ends.get(partitionKey(topic.id, partition));
    return stored ? readOffset(stored) : 0;
  }

  /** Offset of the first record still there; the end when there is none. */
  begin(topic: StoredTopic, partition: number): number {
    const start = chunkKey(topic.id, partition, 0);
    const end = partitionKey(topic.id, partition + 1);
    for (const key of this.#chunks.getKeys({ start, end, limit: 1 })) return offsetOf(key);
    return this.end(topic, partition);
  }

  /** Writes what `take` gives, durably, all or nothing, after what any process has written before. */
  async write(take: () => readonly ChunkBuilder[], topicOf: (name: string) => StoredTopic, now: number): Promise<void> {
    await this.#transaction(() => {
      const ends = new Map<string, number>();
      for (const chunk of take()) {
        const topic = topicOf(chunk.topic);
        const place = `${topic.id}/${chunk.partition}`;
        chunk.base = ends.get(place) ?? this.end(topic, chunk.partition);
        const next = chunk.base + chunk.count;
        ends.set(place, next);
        void this.#chunks.put(chunkKey(topic.id, chunk.partition, chunk.base), chunk.seal(now));
        void this.#ends.put(partitionKey(topic.id, chunk.partition), encodeOffset(next));
      }
    });
  }

  /**
   * Records from `from` on within the limits, at least one; `undefined` at the end. What retention has removed is stepped over;
   * a chunk whose checksum fails is handed out as unreadable, with its bytes.
   */
  read(topic: StoredTopic, partition: number, from: number, maxRecords: number, maxBytes: number): StoredRecords | undefined {
    const records: LogRecord[] = [];
    let bytes = 0;
    let next = from;
    const start = this.#chunkAt(topic, partition, from);
    for (const { key, value } of this.#chunks.getRange({ start, end: partitionKey(topic.id, partition + 1) })) {
      const base = offsetOf(key);
      const flaw = flawOf(value);
      if (flaw !== undefined) {
        if (records.length > 0) break;
        const nextOffset = this.#chunkAfter(topic, partition, base);
        if (nextOffset <= from) continue;
        const unreadable = { topic: topic.name, partition, offset: Math.max(base, from), nextOffset, bytes: value, reason: flaw };
        return { records, nextOffset, unreadable };
      }
      if (base + countOf(value) <= from) continue;
      const limits = { maxRecords: maxRecords - records.length, maxBytes: maxBytes - bytes };
      // A chunk that is taken in two parts is read and checked twice.
      if (records.length > 0 && (countOf(value) > limits.maxRecords || value.length > limits.maxBytes)) break;
      const before = records.length;
      const range = { topic: topic.name, partition, base, from, ...limits };
      const taken = decodeChunk(value, range, records);
      bytes += taken;
      // Within one chunk at least one record is always taken; a later chunk must not push the batch over its bound.
      if (before > 0 && bytes > maxBytes) {
        records.length = before;
        break;
      }
      next = (records.at(-1) as LogRecord).offset + 1;
      if (next < base + countOf(value)) break;
      // The next chunk is most often like this one; where it would not fit it need not be read to see that.
      if (bytes + taken > maxBytes || records.length + (records.length - before) > maxRecords) break;
    }
    return records.length === 0 ? undefined : { records, nextOffset: next };
  }

  /** Removes chunks appended before `time`, some at a time; tells how many, and whether there may be more. */
  async prune(topic: StoredTopic, partition: number, time: number): Promise<{ removed: number; more: boolean }> {
    const old: Buffer[] = [];
    const range = { start: chunkKey(topic.id, partition, 0), end: partitionKey(topic.id, partition + 1), limit: MAX_PRUNED };
    for (const { key, value } of this.#chunks.getRange(range)) {
      if (flawOf(value) === undefined && appendedAt(value) >= time) break;
      old.push(key);
    }
    if (old.length === 0) return { removed: 0, more: false };
    await this.#transaction(() => {
      for (const key of old) void this.#chunks.remove(key);
    });
    return { removed: old.length, more: old.length === MAX_PRUNED };
  }

  /** Removes every chunk. Where partitions end is kept, so an offset is never given twice. */
  async clear(): Promise<void> {
    await this.#transaction(() => {
      for (const key of this.#chunks.getKeys({ snapshot: false })) void this.#chunks.remove(key);
    });
  }

  async close(): Promise<void> {
    await this.#env.close();
  }

  /** All or nothing: a child transaction, because lmdb-js commits a plain one even when its callback throws halfway. */
  async #transaction<T>(run: () => T): Promise<T> {
    try {
      return await this.#env.childTransaction(run);
    } catch (error) {
      throw await reasonOf(error);
    }
  }

  /** Key of the chunk that holds `offset`, or where it would be. */
  #chunkAt(topic: StoredTopic, partition: number, offset: number): Buffer {
    const at = chunkKey(topic.id, partition, offset);
    const first = chunkKey(topic.id, partition, 0);
    // Reverse ranges include their start and exclude their end, so the first key is asked for by a byte less.
    for (const key of this.#chunks.getKeys({ start: at, end: first.subarray(0, 15), reverse: true, limit: 1 })) {
      return key.subarray(0, 8).equals(first.subarray(0, 8)) ? key : at;
    }
    return at;
  }

  /** First offset after the chunk at `base`: the next chunk's, or the end. */
  #chunkAfter(topic: StoredTopic, partition: number, base: number): number {
    const start = chunkKey(topic.id, partition, base + 1);
    for (const key of this.#chunks.getKeys({ start, end: partitionKey(topic.id, partition + 1), limit: 1 })) return offsetOf(key);
    return this.end(topic, partition);
  }
}

/**
 * lmdb-js rejects with "Commit failed" and a promise of the reason (no space left, I/O error) beside it. The promise has to be
 * heard, or its rejection ends the process; it is not waited for beyond this turn, as it need not settle.
 */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (!commitError) return error;
  const reason = commitError.then(
    () => error,
    (cause: unknown) => cause,
  );
  return await Promise.race([reason, new Promise((resolve) => setImmediate(resolve, error))]);
}
