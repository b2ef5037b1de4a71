import { Fault, type CommandReply, type StateCommit, type StateStore, type SubjectState } from '@millrace/kernel';
import { open, type Database, type RootDatabase } from 'lmdb';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { decodeReply, decodeSubject, encodeReply, encodeSubject, keyOf, STATE_FORMAT } from './state-codec.js';
import { damageMark, isSound, makeRoomFor, moveAside, removeFile } from './store-file.js';

export interface LmdbStateStoreOptions {
  /** The file; its directory is made when missing. One process at a time: the last to open it has it. */
  readonly path: string;
  /** Names the code that folded the state (a hash of it, or a number raised by hand, and the aggregates). Another version: the store begins empty. */
  readonly version: string;
  /** How many replies are kept; the oldest go first, and a command repeated after that is decided anew. Default 1,000,000. */
  readonly maxReplies?: number;
}

/** How the store came to be what it is: `kept` as it was left, or empty because it was new, of another version, or damaged. */
export type StateStoreOrigin = 'kept' | 'new' | 'other-version' | 'damaged';

/** Subjects read in one go when all of them are. */
const AT_ONCE = 500;
const OWNER = 'owner';
const VERSION = 'version';

/** What one commit writes, encoded. */
interface EncodedCommit {
  readonly partition: number;
  readonly nextOffset: number;
  readonly subjects: readonly (readonly [Buffer, Buffer])[];
  readonly replies: readonly (readonly [Buffer, Buffer])[];
}

/** The {@link StateStore} of a replica on disk: states, replies and positions in one LMDB file and one transaction. */
export class LmdbStateStore implements StateStore {
  readonly #path: string;
  readonly #maxReplies: number;
  readonly #env: RootDatabase<Buffer, Buffer>;
  readonly #meta: Database<string, string>;
  readonly #stored: Database<number, number>;
  readonly #subjects: Database<Buffer, Buffer>;
  readonly #replies: Database<Buffer, Buffer>;
  /** Number -> key of a reply, in the order they came: which one is the oldest. */
  readonly #order: Database<Buffer, number>;
  readonly #positions = new Map<number, number>();
  readonly #owner = randomUUID();

  static async open(options: LmdbStateStoreOptions): Promise<LmdbStateStore> {
    await makeRoomFor(options.path);
    const version = `${STATE_FORMAT} ${options.version}`;
    let origin: StateStoreOrigin | undefined;
    let store: LmdbStateStore | undefined;
    if (await isSound(options.path)) store = attempt(() => new LmdbStateStore(options));
    if (!store) {
      origin = 'damaged';
      await moveAside(options.path);
      store = new LmdbStateStore(options);
    }
    const found = store.#meta.get(VERSION);
    if (found === undefined) origin ??= 'new';
    else if (found !== version) {
      origin = 'other-version';
      await store.#env.close();
      await removeFile(options.path);
      store = new LmdbStateStore(options);
    }
    store.#origin = origin ?? 'kept';
    await store.#take(version);
    return store;
  }

  private constructor({ path, maxReplies = 1_000_000 }: LmdbStateStoreOptions) {
    this.#path = path;
    this.#maxReplies = maxReplies;
    const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
    // `noMetaSync` keeps the file whole but lets a power cut undo the last commits: then the log is folded from a little earlier.
    const flags = { overlappingSync: false, eventTurnBatching: false, noMetaSync: true };
    this.#env = open({ path, ...binary, maxDbs: 6, noSubdir: true, ...flags });
    this.#meta = this.#env.openDB({ name: 'meta', encoding: 'string', keyEncoding: 'ordered-binary' });
    this.#stored = this.#env.openDB({ name: 'positions', encoding: 'json', keyEncoding: 'uint32' });
    this.#subjects = this.#env.openDB({ name: 'subjects', ...binary });
    this.#replies = this.#env.openDB({ name: 'replies', ...binary });
    this.#order = this.#env.openDB({ name: 'order', encoding: 'binary', keyEncoding: 'ordered-binary' });
    for (const { key, value } of this.#stored.getRange()) this.#positions.set(key, value);
  }

  #origin: StateStoreOrigin = 'new';

  /** Why the store holds what it holds; everything but `kept` means that the log is folded from its beginning. */
  get origin(): StateStoreOrigin {
    return this.#origin;
  }

  positions(): ReadonlyMap<number, number> {
    return this.#positions;
  }

  subject(subject: string): SubjectState | undefined {
    const key = keyOf(subject);
    const bytes = this.#subjects.get(key);
    return bytes && this.#sound(() => decodeSubject(key, bytes)[1]);
  }

  reply(key: string): CommandReply | undefined {
    const bytes = this.#replies.get(keyOf(key));
    return bytes && this.#sound(() => decodeReply(bytes));
  }

  async commit(commits: readonly StateCommit[]): Promise<void> {
    // Before anything is awaited: the states go on changing.
    const encoded = commits.map(encode);
    await this.#transaction(() => {
      if (this.#meta.get(OWNER) !== this.#owner) {
        throw new Fault('MR_STATE_STORE_LOST', `another process has opened ${this.#path}; each needs a data directory of its own`, false);
      }
      for (const { partition, nextOffset, subjects, replies } of encoded) {
        void this.#stored.put(partition, nextOffset);
        for (const [key, bytes] of subjects) void this.#subjects.put(key, bytes);
        this.#putReplies(replies);
      }
    });
    for (const { partition, nextOffset } of encoded) this.#positions.set(partition, nextOffset);
  }

  /**
   * In helpings, each of the moment it is taken: a reader that held one moment to the end would keep every page that commits replace meanwhile,
   * and the file would grow by all of them.
   */
  *subjects(prefix = ''): Generator<readonly [string, SubjectState]> {
    // A prefix longer than a key may be has its end in the name only.
    const first = keyOf(prefix).subarray(0, 900);
    let start: Buffer | undefined = first;
    while (start) {
      const from: { start?: Buffer } = start.length === 0 ? {} : { start };
      const entries = Array.from(this.#subjects.getRange({ ...from, limit: AT_ONCE }));
      for (const { key, value } of entries) {
        if (!key.subarray(0, first.length).equals(first)) return;
        const entry = this.#sound(() => decodeSubject(key, value));
        if (entry[0].startsWith(prefix)) yield entry;
      }
      const last = entries.length < AT_ONCE ? undefined : entries.at(-1)?.key;
      start = last && Buffer.concat([last, Buffer.from([0])]);
    }
  }

  async clear(): Promise<void> {
    await this.#transaction(() => {
      for (const table of [this.#subjects, this.#replies, this.#order]) table.clearSync();
    });
  }

  async close(): Promise<void> {
    await this.#env.close();
  }

  /** From now on the store is this process's: whoever had it before can commit no more. */
  async #take(version: string): Promise<void> {
    await this.#transaction(() => {
      void this.#meta.put(VERSION, version);
      void this.#meta.put(OWNER, this.#owner);
    });
  }

  /** Numbers are dense, so the first and the last tell how many replies there are. */
  #putReplies(replies: EncodedCommit['replies']): void {
    let [first] = this.#order.getKeys({ limit: 1 });
    const [last = -1] = this.#order.getKeys({ reverse: true, limit: 1 });
    let next = last + 1;
    first ??= next;
    for (const [key, bytes] of replies) {
      void this.#replies.put(key, bytes);
      void this.#order.put(next++, key);
    }
    for (; next - first > this.#maxReplies; first++) {
      const oldest = this.#order.get(first);
      if (oldest) void this.#replies.remove(oldest);
      void this.#order.remove(first);
    }
  }

  /** All or nothing: a child transaction, because lmdb-js commits a plain one even when its callback throws halfway. */
  async #transaction(run: () => void): Promise<void> {
    try {
      await this.#env.childTransaction(run);
    } catch (error) {
      // lmdb-js puts the reason into a promise beside the error; unheard, its rejection would end the process.
      (error as { commitError?: Promise<unknown> }).commitError?.catch(() => undefined);
      throw error;
    }
  }

  /** What cannot be decoded was not written by this code: the file is damaged, and the next start folds anew. */
  #sound<T>(decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      writeFileSync(damageMark(this.#path), String(error));
      throw new Fault('MR_STATE_STORE_CORRUPT', `${this.#path} is damaged; it is rebuilt from the log at the next start`, false, {
        cause: error,
      });
    }
  }
}

function encode({ partition, nextOffset, subjects, replies }: StateCommit): EncodedCommit {
  return {
    partition,
    nextOffset,
    subjects: Array.from(subjects, ([name, state]) => [keyOf(name), encodeSubject(name, state)] as const),
    replies: Array.from(replies, ([key, reply]) => [keyOf(key), encodeReply(reply)] as const),
  };
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
