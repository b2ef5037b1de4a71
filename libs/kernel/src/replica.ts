import type { Scheduler } from './clock.js';
import type { AnyDecider } from './decider.js';
import { hasPassed, type Position } from './position.js';
import { aggregateOf, type LoggedDecision } from './record.js';
import { Fault } from './rejection.js';
import { replyKey, type CommandReply, type StateCommit, type StateStore, type SubjectState } from './state-store.js';
import { PositionWaiters } from './waiters.js';

/** What the log said to one record. */
export interface Verdict {
  readonly accepted: boolean;
  readonly position: Position;
}

export interface ReplicaOptions {
  /** The domain's decisions topic. */
  readonly topic: string;
  readonly partitions: number;
  /** Aggregate name (the subject's part before the slash) -> decider. */
  readonly aggregates: Readonly<Record<string, AnyDecider>>;
  readonly store: StateStore;
  readonly scheduler: Scheduler;
  /** Subjects kept in memory; the rest are read from the store. Changed, unflushed subjects are always kept. Default 20,000. */
  readonly maxCachedSubjects?: number;
  /**
   * Default true: the reply to every command is kept, so that a command given again gets it. A replica that only follows is given no
   * commands: it keeps which records were void instead, of which there are few.
   */
  readonly keepsReplies?: boolean;
}

/** How far the cache may grow before the oldest are let go, many at a time. */
const EVICT_FROM = 1.25;

/** Counts for metrics: what the fold has met since the process started. */
export interface ReplicaCounts {
  accepted: number;
  void: number;
  /** Records of an aggregate this build has no decider for: kept in the log, not folded. */
  unknown: number;
}

/** What one partition has changed since the store last heard of it. */
interface Changes {
  readonly subjects: Map<string, SubjectState>;
  readonly replies: Map<string, CommandReply>;
}

/**
 * One process's fold of a domain's decisions. It applies the one rule: a record is accepted iff its sequence is its subject's last
 * accepted sequence + 1; a duplicate, the loser of a race and a zombie are void. Every replica that has read the same
 * prefix holds the same state, whatever the batches were.
 */
export class DecisionReplica {
  readonly topic: string;
  readonly partitions: number;
  readonly counts: ReplicaCounts = { accepted: 0, void: 0, unknown: 0 };
  readonly #aggregates: ReadonlyMap<string, AnyDecider>;
  readonly #store: StateStore;
  readonly #next: number[];
  readonly #cache = new Map<string, SubjectState>();
  readonly #maxCached: number;
  readonly #keepsReplies: boolean;
  readonly #expected = new Map<string, (verdict: Verdict) => void>();
  readonly #waiters: PositionWaiters;
  /** Unflushed changes by partition; `flush` hands them to the store and keeps them readable until it has them. */
  #dirty = new Map<number, Changes>();
  #flushing: ReadonlyMap<number, Changes> = new Map();
  #flush: Promise<void> = Promise.resolve();
  #defect: Error | undefined;

  constructor(options: ReplicaOptions) {
    this.topic = options.topic;
    this.partitions = options.partitions;
    this.#aggregates = new Map(Object.entries(options.aggregates));
    this.#store = options.store;
    this.#maxCached = options.maxCachedSubjects ?? 20_000;
    this.#keepsReplies = options.keepsReplies ?? true;
    this.#waiters = new PositionWaiters(options.scheduler);
    const stored = options.store.positions();
    this.#next = Array.from({ length: options.partitions }, (_, partition) => stored.get(partition) ?? 0);
  }

  /** Next offset to fold, by partition: where the follower has to go on reading. */
  positions(): readonly number[] {
    return this.#next;
  }

  aggregate(subject: string): AnyDecider | undefined {
    return this.#aggregates.get(aggregateOf(subject));
  }

  /** Why this replica can no longer be used: an `evolve` threw, and its state may be half changed. Restart the process. */
  get defect(): Error | undefined {
    return this.#defect;
  }

  /**
   * Folds a partition's records in order and returns the accepted ones. Records before the replica's position are ignored, so
   * redelivery is harmless. `nextOffset` is the offset after the batch (it may lie beyond the last record).
   * Throws when an `evolve` throws, then and ever after: a record must never be stepped over because folding it failed.
   */
  apply(partition: number, records: readonly LoggedDecision[], nextOffset: number): LoggedDecision[] {
    this.#assertSound();
    const accepted: LoggedDecision[] = [];
    for (const record of records) {
      const { offset } = record.position;
      if (offset < (this.#next[partition] as number)) continue;
      const isAccepted = this.#fold(partition, record);
      this.#next[partition] = offset + 1;
      if (isAccepted) accepted.push(record);
      const settle = this.#expected.get(record.id);
      if (settle) {
        this.#expected.delete(record.id);
        settle({ accepted: isAccepted, position: record.position });
      }
    }
    if (nextOffset > (this.#next[partition] as number)) this.#next[partition] = nextOffset;
    this.#waiters.passed(partition, this.#next[partition] as number);
    return accepted;
  }

  #fold(partition: number, record: LoggedDecision): boolean {
    const decider = this.#aggregates.get(aggregateOf(record.subject));
    if (!decider) {
      this.counts.unknown++;
      return false;
    }
    const current = this.subject(record.subject);
    if (record.sequence !== current.sequence + 1) {
      this.counts.void++;
      if (!this.#keepsReplies) changesOf(this.#dirty, partition).replies.set(voidKey(record.position), replyTo(record, null));
      return false;
    }
    const next: SubjectState = { sequence: record.sequence, state: this.#evolve(decider, current.state, record) };
    const dirty = changesOf(this.#dirty, partition);
    dirty.subjects.set(record.subject, next);
    if (this.#keepsReplies) dirty.replies.set(replyKey(record.subject, record.commandId), replyTo(record, record.data));
    this.#remember(record.subject, next);
    this.counts.accepted++;
    return true;
  }

  #evolve(decider: AnyDecider, state: unknown, record: LoggedDecision): unknown {
    try {
      const next = decider.evolve(state, { type: record.type, data: record.data }, record) as unknown;
      // A type of another aggregate falls through this one's switch. The record has its sequence all the same; the state must not be lost for it.
      return next === undefined ? state : next;
    } catch (error) {
      const { partition, offset } = record.position;
      this.#defect = new Error(`evolve failed on ${record.type} of ${record.subject} at ${this.topic}/${partition}@${offset}`, {
        cause: error,
      });
      throw this.#defect;
    }
  }

  /** The subject's state at this replica's position; the decider's initial state with sequence 0 when it has no record yet. */
  subject(subject: string): SubjectState {
    this.#assertSound();
    const cached = this.#cache.get(subject);
    if (cached) return cached;
    const found = this.#unstored(subject) ?? this.#store.subject(subject);
    if (found) {
      this.#remember(subject, found);
      return found;
    }
    const decider = this.aggregate(subject);
    if (!decider) throw new Error(`no decider for subject ${subject} in ${this.topic}`);
    return { sequence: 0, state: decider.initial() as unknown };
  }

  /**
   * Every subject whose name starts with `prefix`, with its state, in the order of the names' UTF-8 bytes. For digests and
   * small catalogs, not for queries. What is folded meanwhile may or may not be seen.
   */
  async *subjects(prefix = ''): AsyncGenerator<readonly [string, SubjectState]> {
    await this.flush();
    yield* this.#store.subjects(prefix);
  }

  /** The first reply to a command id on a subject, if this replica has folded it and still keeps it. */
  reply(subject: string, commandId: string): CommandReply | undefined {
    return this.#reply(replyKey(subject, commandId));
  }

  /** Whether a record was accepted; one this replica has folded, and not so long ago that what it kept of it is gone. */
  isAccepted({ subject, commandId, sequence, position }: LoggedDecision): boolean {
    if (!this.#keepsReplies) {
      return this.#aggregates.has(aggregateOf(subject)) && this.hasPassed(position) && this.#reply(voidKey(position)) === undefined;
    }
    const reply = this.reply(subject, commandId);
    return reply?.sequence === sequence && reply.partition === position.partition && reply.offset === position.offset;
  }

  #reply(key: string): CommandReply | undefined {
    for (const { replies } of this.#dirty.values()) {
      const reply = replies.get(key);
      if (reply) return reply;
    }
    for (const { replies } of this.#flushing.values()) {
      const reply = replies.get(key);
      if (reply) return reply;
    }
    return this.#store.reply(key);
  }

  /** Calls `settle` when the fold meets the record. Register before appending, or the verdict may pass unseen; {@link forget} it if it is given up. */
  expect(recordId: string, settle: (verdict: Verdict) => void): void {
    this.#expected.set(recordId, settle);
  }

  forget(recordId: string): void {
    this.#expected.delete(recordId);
  }

  hasPassed(position: Position): boolean {
    return hasPassed(this.#next, position);
  }

  /** Resolves once this replica has folded `position`: the read barrier of a query. */
  async waitFor(position: Position, deadlineMs: number): Promise<void> {
    this.#assertSound();
    if (position.topic !== this.topic || position.partition >= this.partitions) {
      const message = `position ${position.topic}/${position.partition} asked of a reader of ${this.topic} (${this.partitions} partitions)`;
      throw new Fault('MR_POSITION_FOREIGN', message, false);
    }
    if (this.hasPassed(position)) return;
    await this.#waiters.wait(position, deadlineMs);
  }

  /** Nothing is folded any more: who waits for a position is told. */
  ended(): void {
    this.#waiters.end();
  }

  /** Number of changed subjects not yet handed to the store. */
  get unflushed(): number {
    let count = 0;
    for (const dirty of this.#dirty.values()) count += dirty.subjects.size;
    return count;
  }

  /** Stores what has changed. Flushes follow one another; a failed flush keeps its changes for the next try. */
  flush(): Promise<void> {
    this.#flush = this.#flush.then(
      () => this.#flushOnce(),
      () => this.#flushOnce(),
    );
    return this.#flush;
  }

  /** Forgets every subject and reply and stays where it is in the log: for a log that was emptied. */
  clear(): Promise<void> {
    const clear = async () => {
      this.#dirty = new Map();
      this.#cache.clear();
      await this.#store.clear();
    };
    this.#flush = this.#flush.then(clear, clear);
    return this.#flush;
  }

  async #flushOnce(): Promise<void> {
    this.#assertSound();
    const stored = this.#store.positions();
    const commits: StateCommit[] = [];
    for (let partition = 0; partition < this.partitions; partition++) {
      const changes = this.#dirty.get(partition);
      const nextOffset = this.#next[partition] as number;
      if (!changes && (stored.get(partition) ?? 0) === nextOffset) continue;
      commits.push({ partition, nextOffset, ...(changes ?? noChanges()) });
    }
    if (commits.length === 0) return;
    this.#flushing = this.#dirty;
    this.#dirty = new Map();
    try {
      await this.#store.commit(commits);
    } catch (error) {
      for (const [partition, changes] of this.#flushing) this.#takeBack(partition, changes);
      throw error;
    } finally {
      this.#flushing = new Map();
      this.#evict();
    }
  }

  /** After a failed flush: what it held, unless a newer change of the same subject has come since. */
  #takeBack(partition: number, changes: Changes): void {
    const newer = this.#dirty.get(partition);
    this.#dirty.set(partition, {
      subjects: new Map([...changes.subjects, ...(newer?.subjects ?? [])]),
      replies: new Map([...changes.replies, ...(newer?.replies ?? [])]),
    });
  }

  #unstored(subject: string): SubjectState | undefined {
    for (const { subjects } of this.#dirty.values()) {
      const state = subjects.get(subject);
      if (state) return state;
    }
    for (const { subjects } of this.#flushing.values()) {
      const state = subjects.get(subject);
      if (state) return state;
    }
    return undefined;
  }

  #remember(subject: string, state: SubjectState): void {
    this.#cache.set(subject, state);
    if (this.#cache.size > this.#maxCached * EVICT_FROM) this.#evict();
  }

  /** Unflushed subjects stay reachable through the dirty maps, so any cache entry may go; the oldest go first. */
  #evict(): void {
    let surplus = this.#cache.size - this.#maxCached;
    for (const subject of this.#cache.keys()) {
      if (surplus-- <= 0) return;
      this.#cache.delete(subject);
    }
  }

  #assertSound(): void {
    if (this.#defect) throw this.#defect;
  }
}

function replyTo({ subject, sequence, position, type }: LoggedDecision, data: unknown): CommandReply {
  return { subject, sequence, partition: position.partition, offset: position.offset, type, data };
}

/** No command's reply has such a key: those begin with a number. */
function voidKey({ partition, offset }: Position): string {
  return `void ${partition}@${offset}`;
}

function noChanges(): Changes {
  return { subjects: new Map(), replies: new Map() };
}

function changesOf(dirty: Map<number, Changes>, partition: number): Changes {
  let changes = dirty.get(partition);
  if (!changes) dirty.set(partition, (changes = noChanges()));
  return changes;
}
