import type { Scheduler } from './clock.js';
import type { AnyDecider } from './decider.js';
import { hasPassed, type Position } from './position.js';
import { aggregateOf, type LoggedDecision } from './record.js';
import { Fault } from './rejection.js';
import type { CommandReply, StateCommit, StateStore, SubjectState } from './state-store.js';
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
  /** Subjects kept in memory; the rest are read from the store. Changed, unflushed subjects are always kept. */
  readonly maxCachedSubjects?: number;
}

/** Counts for metrics: what the fold has met since the process started. */
export interface ReplicaCounts {
  accepted: number;
  void: number;
  /** Records of an aggregate this build has no decider for: kept in the log, not folded. */
  unknown: number;
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
  readonly #verdicts = new Map<string, (verdict: Verdict) => void>();
  readonly #waiters: PositionWaiters;
  /** Unflushed changes by partition; they leave the maps when `flush` hands them to the store. */
  #dirty = new Map<number, { subjects: Map<string, SubjectState>; replies: Map<string, CommandReply> }>();
  #flushing = new Map<string, SubjectState>();
  #flushingReplies = new Map<string, CommandReply>();
  #flush: Promise<void> = Promise.resolve();

  constructor(options: ReplicaOptions) {
    this.topic = options.topic;
    this.partitions = options.partitions;
    this.#aggregates = new Map(Object.entries(options.aggregates));
    this.#store = options.store;
    this.#maxCached = options.maxCachedSubjects ?? 50_000;
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

  /**
   * Folds a partition's records in order and returns the accepted ones. Records before the replica's position are ignored, so
   * redelivery is harmless. `nextOffset` is the offset after the batch (it may lie beyond the last record).
   */
  apply(partition: number, records: readonly LoggedDecision[], nextOffset: number): LoggedDecision[] {
    const accepted: LoggedDecision[] = [];
    for (const record of records) {
      if (record.position.offset < (this.#next[partition] as number)) continue;
      this.#next[partition] = record.position.offset + 1;
      const isAccepted = this.#fold(partition, record);
      if (isAccepted) accepted.push(record);
      const verdict = this.#verdicts.get(record.id);
      if (verdict) {
        this.#verdicts.delete(record.id);
        verdict({ accepted: isAccepted, position: record.position });
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
      return false;
    }
    const state: unknown = decider.evolve(current.state, { type: record.type, data: record.data }, record);
    const next: SubjectState = { sequence: record.sequence, state };
    let dirty = this.#dirty.get(partition);
    if (!dirty) this.#dirty.set(partition, (dirty = { subjects: new Map(), replies: new Map() }));
    dirty.subjects.set(record.subject, next);
    dirty.replies.set(record.commandId, {
      subject: record.subject,
      sequence: record.sequence,
      partition,
      offset: record.position.offset,
      type: record.type,
      data: record.data,
    });
    this.#remember(record.subject, next);
    this.counts.accepted++;
    return true;
  }

  /** The subject's state at this replica's position; the decider's initial state with sequence 0 when it has no record yet. */
  subject(subject: string): SubjectState {
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

  /** Every subject of an aggregate with its state, in the order of the names' UTF-8 bytes. For digests and small catalogs, not for queries. */
  async *subjects(prefix = ''): AsyncGenerator<readonly [string, SubjectState]> {
    await this.flush();
    yield* this.#store.subjects(prefix);
  }

  /** The first reply to a command id this replica has folded and still keeps. */
  reply(commandId: string): CommandReply | undefined {
    for (const dirty of this.#dirty.values()) {
      const reply = dirty.replies.get(commandId);
      if (reply) return reply;
    }
    return this.#flushingReplies.get(commandId) ?? this.#store.reply(commandId);
  }

  /** The verdict on a record about to be appended. Register before appending, or the verdict may pass unseen. */
  verdict(recordId: string): Promise<Verdict> {
    return new Promise((resolve) => this.#verdicts.set(recordId, resolve));
  }

  forgetVerdict(recordId: string): void {
    this.#verdicts.delete(recordId);
  }

  hasPassed(position: Position): boolean {
    return hasPassed(this.#next, position);
  }

  /** Resolves once this replica has folded `position`: the read barrier of a query. */
  async waitFor(position: Position, deadlineMs: number): Promise<void> {
    if (position.topic !== this.topic) {
      throw new Fault('MR_POSITION_FOREIGN', `position of topic ${position.topic} asked of a reader of ${this.topic}`, false);
    }
    if (this.hasPassed(position)) return;
    await this.#waiters.wait(position, deadlineMs);
  }

  /** Number of changed subjects not yet handed to the store. */
  get unflushed(): number {
    let count = 0;
    for (const dirty of this.#dirty.values()) count += dirty.subjects.size;
    return count;
  }

  /** Stores what has changed. Flushes follow one another; a failed flush keeps its changes for the next try. */
  flush(): Promise<void> {
    this.#flush = this.#flush.catch(() => undefined).then(() => this.#flushOnce());
    return this.#flush;
  }

  async #flushOnce(): Promise<void> {
    const dirty = this.#dirty;
    const commits: StateCommit[] = [];
    const stored = this.#store.positions();
    for (let partition = 0; partition < this.partitions; partition++) {
      const changes = dirty.get(partition);
      const nextOffset = this.#next[partition] as number;
      if (!changes && (stored.get(partition) ?? 0) === nextOffset) continue;
      commits.push({
        partition,
        nextOffset,
        subjects: changes?.subjects ?? new Map<string, SubjectState>(),
        replies: changes?.replies ?? new Map<string, CommandReply>(),
      });
    }
    if (commits.length === 0) return;
    this.#dirty = new Map();
    this.#flushing = new Map([...dirty.values()].flatMap((changes) => [...changes.subjects]));
    this.#flushingReplies = new Map([...dirty.values()].flatMap((changes) => [...changes.replies]));
    try {
      await this.#store.commit(commits);
    } catch (error) {
      for (const [partition, changes] of dirty) this.#keepForNextFlush(partition, changes);
      throw error;
    } finally {
      this.#flushing = new Map();
      this.#flushingReplies = new Map();
      this.#evict();
    }
  }

  #keepForNextFlush(partition: number, changes: { subjects: Map<string, SubjectState>; replies: Map<string, CommandReply> }): void {
    const newer = this.#dirty.get(partition);
    this.#dirty.set(partition, {
      subjects: new Map([...changes.subjects, ...(newer?.subjects ?? [])]),
      replies: new Map([...changes.replies, ...(newer?.replies ?? [])]),
    });
  }

  #unstored(subject: string): SubjectState | undefined {
    for (const dirty of this.#dirty.values()) {
      const state = dirty.subjects.get(subject);
      if (state) return state;
    }
    return this.#flushing.get(subject);
  }

  #remember(subject: string, state: SubjectState): void {
    this.#cache.set(subject, state);
    if (this.#cache.size > this.#maxCached * 2) this.#evict();
  }

  /** Unflushed subjects stay reachable through the dirty maps, so any cache entry may go; the oldest go first. */
  #evict(): void {
    let surplus = this.#cache.size - this.#maxCached;
    for (const subject of this.#cache.keys()) {
      if (surplus-- <= 0) return;
      this.#cache.delete(subject);
    }
  }
}
