import { Fault } from '@millrace/kernel';
import { MAX_ONLINE_KEY_BYTES, type OnlineGuard, type OnlineStore, type OnlineWrite } from '@millrace/online-store';
import { open, type RootDatabase } from 'lmdb';
import { rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { BootMark, currentBoot } from './boot-mark.js';
import { RecentWrites } from './recent-writes.js';

export interface LmdbOnlineStoreOptions {
  /** A directory of its own, or a file name ending in a dot and an extension. */
  readonly path: string;
  /** Upper bound of the file; address space, not memory or disk. */
  readonly mapSizeBytes?: number;
  /** How long writes gather in memory before they go into the file. Default 100 ms. */
  readonly gatherMs?: number;
  /** Bytes that may gather while others are being written; who writes more waits. Default 32 MiB. */
  readonly maxGatheredBytes?: number;
  /** Which start of the machine this is. As the system says it unless given; `null`: not known, so every transaction is synced. */
  readonly boot?: string | null;
}

/** Keys removed per transaction by `clear`, so that readers and the projection are not kept waiting. */
const CLEAR_BATCH = 5_000;
/** Entries read per snapshot by `scan`. */
const SCAN_BATCH = 1_000;
const RETRY_MS = 1_000;

/**
 * The online store in a local LMDB file, which belongs to this process alone. A batch is visible whole when `writeMany` resolves; it goes into the
 * file a moment later, with all that came meanwhile in one transaction, so a key written a hundred times in that moment costs one write, and the
 * B-tree is worked on by LMDB's own thread. The end of the process may take the last batches and never leaves part of one; the checkpoint goes with
 * them, so a projection simply goes on from there.
 *
 * Where the system tells its starts apart, when the file reaches the disk is left to the kernel: a page that changes ten times a second is written out every half
 * minute. The end of the machine may then leave a part of it, so a file that was open at that time is thrown away, and the projection fills a new one from the log.
 */
export class LmdbOnlineStore implements OnlineStore {
  readonly #recent = new RecentWrites();
  readonly #gatherMs: number;
  readonly #maxGatheredBytes: number;
  /** Prefixes being cleared; writes below them wait. */
  readonly #clearing = new Map<Buffer, Promise<unknown>>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(
    private readonly db: RootDatabase<Buffer, Buffer>,
    private readonly mark: BootMark,
    /** The file was open when the machine ended, and was thrown away. */
    readonly isAnew: boolean,
    { gatherMs = 100, maxGatheredBytes = 32 * 1024 * 1024 }: LmdbOnlineStoreOptions,
  ) {
    this.#gatherMs = gatherMs;
    this.#maxGatheredBytes = maxGatheredBytes;
  }

  static async open(options: LmdbOnlineStoreOptions): Promise<LmdbOnlineStore> {
    return attempt('open', async () => {
      const { path } = options;
      const boot = options.boot === undefined ? await currentBoot() : (options.boot ?? undefined);
      const mark = new BootMark(path);
      const left = await mark.read();
      const isAnew = left !== undefined && left !== boot;
      if (isAnew) for (const file of filesOf(path)) await rm(file, { force: true });
      if (boot !== undefined) await mark.write(boot);
      else await mark.remove();
      const db = open<Buffer, Buffer>({
        path,
        noSync: boot !== undefined,
        keyEncoding: 'binary',
        encoding: 'binary',
        // Values are a kilobyte or more and change all the time: compressing them would cost more than it saves.
        compression: false,
        cache: false,
        ...(options.mapSizeBytes === undefined ? {} : { mapSize: options.mapSizeBytes }),
      });
      return new LmdbOnlineStore(db, mark, isAnew, options);
    });
  }

  async getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    return attempt('read', async () => {
      const transaction = this.db.useReadTransaction();
      try {
        return keys.map((key) => {
          const recent = this.#recent.find(key);
          if (recent === undefined) return this.db.get(key, { transaction }) ?? null;
          // A copy, as from the file: who reads may work in it, and the original is still to be written.
          return recent && Buffer.from(recent);
        });
      } finally {
        transaction.done();
      }
    });
  }

  async writeMany(writes: readonly OnlineWrite[], guards: readonly OnlineGuard[] = []): Promise<boolean> {
    return attempt('write', async () => {
      mustBeStorable(writes);
      for (let wait = this.#waitFor(writes); wait; wait = this.#waitFor(writes)) await wait;
      // From here to the end without a pause: what the guards say holds for the whole batch.
      for (const { key, value } of guards) {
        const recent = this.#recent.find(key);
        const found = recent === undefined ? (this.db.get(key) ?? null) : recent;
        if (value === null ? found !== null : !found?.equals(value)) return false;
      }
      for (const write of writes) this.#recent.add(write);
      if (writes.length > 0) this.#flushAfter(this.#gatherMs);
      return true;
    });
  }

  async *scan(prefix: Buffer): AsyncIterable<readonly [Buffer, Buffer]> {
    await attempt('scan', () => this.#settle());
    let start = prefix;
    for (;;) {
      const page = await attempt('scan', async () =>
        [...this.db.getRange({ start, limit: SCAN_BATCH })].map(({ key, value }) => [Buffer.from(key), Buffer.from(value)] as const),
      );
      for (const entry of page) {
        if (!startsWith(entry[0], prefix)) return;
        yield entry;
      }
      if (page.length < SCAN_BATCH) return;
      start = Buffer.concat([(page[page.length - 1] as readonly [Buffer, Buffer])[0], Buffer.from([0])]);
    }
  }

  async clear(prefix: Buffer): Promise<number> {
    // A name of its own: two may clear the same prefix at once.
    const cleared = Buffer.from(prefix);
    const clearing = attempt('clear', () => this.#clear(cleared));
    this.#clearing.set(cleared, clearing);
    try {
      return await clearing;
    } finally {
      this.#clearing.delete(cleared);
    }
  }

  /** Rejects while what was written cannot be brought into the file. */
  async ping(): Promise<void> {
    await attempt('ping', async () => {
      if (this.#failure !== undefined) throw this.#failure as Error;
      this.db.doesExist(Buffer.from([0]));
    });
  }

  async close(): Promise<void> {
    try {
      await attempt('write', async () => {
        await this.#settle();
        await synced(this.db);
        await this.mark.remove();
      });
    } finally {
      clearTimeout(this.#timer);
      await this.db.close();
    }
  }

  /** What a write has to wait for first, if anything; rejects when there is no more room and the file cannot be written. */
  #waitFor(writes: readonly OnlineWrite[]): Promise<unknown> | undefined {
    for (const [prefix, clearing] of this.#clearing) {
      if (writes.some(({ key }) => startsWith(key, prefix))) return clearing.catch(() => undefined);
    }
    return this.#recent.bytes > this.#maxGatheredBytes ? this.#flush() : undefined;
  }

  async #clear(prefix: Buffer): Promise<number> {
    await this.#settle();
    let removed = 0;
    for (;;) {
      const count = await this.db.transaction(() => {
        const keys: Buffer[] = [];
        for (const key of this.db.getKeys({ start: prefix, limit: CLEAR_BATCH })) {
          if (!startsWith(key, prefix)) break;
          keys.push(Buffer.from(key));
        }
        for (const key of keys) this.db.removeSync(key);
        return keys.length;
      });
      removed += count;
      if (count < CLEAR_BATCH) return removed;
    }
  }

  /** Resolves when all that was written until now is in the file. */
  async #settle(): Promise<void> {
    await this.#flushing?.catch(() => undefined);
    if (!this.#recent.isEmpty) await this.#flush();
  }

  /** Flushes after so long, unless that is on its way; what fails is kept, told by {@link ping} and tried again. */
  #flushAfter(milliseconds: number): void {
    this.#timer ??= setTimeout(() => void this.#flush().catch(() => undefined), milliseconds);
  }

  /** Writes what has gathered into the file; one at a time. What comes meanwhile gathers for the next. */
  #flush(): Promise<void> {
    if (this.#flushing) return this.#flushing;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const flushing = this.#write().finally(() => {
      this.#flushing = undefined;
      if (!this.#recent.isEmpty) this.#flushAfter(this.#failure === undefined ? this.#gatherMs : RETRY_MS);
    });
    this.#flushing = flushing;
    return flushing;
  }

  async #write(): Promise<void> {
    const leaving = this.#recent.take();
    try {
      await this.db.batch(() =>
        leaving.each(
          (key, value) => this.db.put(key, value),
          (key) => this.db.remove(key),
        ),
      );
      this.#recent.written();
      this.#failure = undefined;
    } catch (error) {
      // lmdb-js puts the reason into a promise beside the error; unheard, its rejection would end the process.
      (error as { commitError?: Promise<unknown> }).commitError?.catch(() => undefined);
      this.#recent.failed();
      this.#failure = error;
      throw error;
    }
  }
}

/** Names as lmdb-js gives them. */
function filesOf(path: string): string[] {
  return extname(path) === '' ? [join(path, 'data.mdb'), join(path, 'lock.mdb')] : [path, `${path}-lock`];
}

/** lmdb-js has it, and its types do not say so. */
interface Syncing {
  sync(done: (error?: Error | null) => void): void;
}

function synced(db: RootDatabase<Buffer, Buffer>): Promise<void> {
  return new Promise((resolve, reject) => {
    (db as unknown as Syncing).sync((error) => (error ? reject(error) : resolve()));
  });
}

/** One write that LMDB refuses would keep all others out of the file. */
function mustBeStorable(writes: readonly OnlineWrite[]): void {
  for (const { key } of writes) {
    if (key.length > 0 && key.length <= MAX_ONLINE_KEY_BYTES) continue;
    throw new Error(`a key has ${key.length} bytes; it needs between 1 and ${MAX_ONLINE_KEY_BYTES}`);
  }
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && prefix.compare(key, 0, prefix.length) === 0;
}

async function attempt<T>(doing: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Fault('MR_ONLINE_STORE', `the online store (LMDB) failed to ${doing}: ${reason}`, true, { cause: error });
  }
}
