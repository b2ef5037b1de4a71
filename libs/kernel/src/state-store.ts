/** One subject's folded state. */
export interface SubjectState {
  /** Sequence of the last accepted record; 0 when none. */
  readonly sequence: number;
  readonly state: unknown;
}

/**
 * What a command did, kept so that the same command id on the same subject gets the first reply. By subject, because one
 * request may make commands on several subjects under one id.
 */
export interface CommandReply {
  readonly subject: string;
  readonly sequence: number;
  readonly partition: number;
  readonly offset: number;
  readonly type: string;
  readonly data: unknown;
}

/** The key of a reply. The length in front keeps two different pairs from making one text. */
export function replyKey(subject: string, commandId: string): string {
  return `${commandId.length}:${commandId}${subject}`;
}

/** One atomic step of a replica: all of it is stored, or none. */
export interface StateCommit {
  readonly partition: number;
  /** Offset of the next record to fold. */
  readonly nextOffset: number;
  readonly subjects: ReadonlyMap<string, SubjectState>;
  /** By {@link replyKey}. */
  readonly replies: ReadonlyMap<string, CommandReply>;
}

/**
 * Where a replica keeps what it folded: states, replies and position in one transaction. Derived data: it may be deleted at any
 * time and is rebuilt from the log. Reads are synchronous because they sit inside every command.
 */
export interface StateStore {
  /** Next offsets by partition as last committed; a partition never committed is absent (read it from 0). */
  positions(): ReadonlyMap<number, number>;
  subject(subject: string): SubjectState | undefined;
  /** By {@link replyKey}; `undefined` also for one so old that the store has let it go. */
  reply(key: string): CommandReply | undefined;
  /**
   * Queues the commits in order; resolves when they are stored. What is in them is read before the call returns:
   * states go on changing afterwards.
   */
  commit(commits: readonly StateCommit[]): Promise<void>;
  /** Every stored subject, in ascending order of its UTF-8 bytes. */
  subjects(prefix?: string): Iterable<readonly [string, SubjectState]>;
  /** Forgets every subject and reply; the positions stay. */
  clear(): Promise<void>;
  close(): Promise<void>;
}
