import type { CommandReply, StateCommit, StateStore, SubjectState } from './state-store.js';

/** A {@link StateStore} in memory: for tests, and for replicas that may fold from the start each time. */
export class MemoryStateStore implements StateStore {
  readonly #positions = new Map<number, number>();
  readonly #subjects = new Map<string, SubjectState>();
  readonly #replies = new Map<string, CommandReply>();

  positions(): ReadonlyMap<number, number> {
    return this.#positions;
  }

  subject(subject: string): SubjectState | undefined {
    return this.#subjects.get(subject);
  }

  reply(commandId: string): CommandReply | undefined {
    return this.#replies.get(commandId);
  }

  commit(commits: readonly StateCommit[]): Promise<void> {
    for (const commit of commits) {
      this.#positions.set(commit.partition, commit.nextOffset);
      for (const [subject, state] of commit.subjects) this.#subjects.set(subject, state);
      for (const [commandId, reply] of commit.replies) this.#replies.set(commandId, reply);
    }
    return Promise.resolve();
  }

  *subjects(prefix = ''): Iterable<readonly [string, SubjectState]> {
    const names = [...this.#subjects.keys()].filter((name) => name.startsWith(prefix));
    names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const name of names) yield [name, this.#subjects.get(name) as SubjectState];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
