import type { CommandReply, StateCommit, StateStore, SubjectState } from './state-store.js';

/**
 * A {@link StateStore} in memory: for tests, and for replicas that may fold from the start each time. It keeps the states
 * themselves, not copies, and the last million replies unless told otherwise.
 */
export class MemoryStateStore implements StateStore {
  readonly #positions = new Map<number, number>();
  readonly #subjects = new Map<string, SubjectState>();
  readonly #replies = new Map<string, CommandReply>();
  readonly #maxReplies: number;

  /** `maxReplies`: how many replies are kept; the oldest go first. */
  constructor(options: { readonly maxReplies?: number } = {}) {
    this.#maxReplies = options.maxReplies ?? 1_000_000;
  }

  positions(): ReadonlyMap<number, number> {
    return this.#positions;
  }

  subject(subject: string): SubjectState | undefined {
    return this.#subjects.get(subject);
  }

  reply(key: string): CommandReply | undefined {
    return this.#replies.get(key);
  }

  commit(commits: readonly StateCommit[]): Promise<void> {
    for (const commit of commits) {
      this.#positions.set(commit.partition, commit.nextOffset);
      for (const [subject, state] of commit.subjects) this.#subjects.set(subject, state);
      for (const [key, reply] of commit.replies) this.#replies.set(key, reply);
    }
    for (const oldest of this.#replies.keys()) {
      if (this.#replies.size <= this.#maxReplies) break;
      this.#replies.delete(oldest);
    }
    return Promise.resolve();
  }

  *subjects(prefix = ''): Iterable<readonly [string, SubjectState]> {
    const names = [...this.#subjects.keys()].filter((name) => name.startsWith(prefix));
    names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const name of names) yield [name, this.#subjects.get(name) as SubjectState];
  }

  clear(): Promise<void> {
    this.#subjects.clear();
    this.#replies.clear();
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
