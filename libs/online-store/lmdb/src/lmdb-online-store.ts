import { Fault } from '@millrace/kernel';
import type { OnlineGuard, OnlineStore, OnlineWrite } from '@millrace/online-store';
import { open, type RootDatabase } from 'lmdb';

export interface LmdbOnlineStoreOptions {
  /** A directory of its own, or a file name ending in a dot and an extension. */
  readonly path: string;
  /** Upper bound of the file; address space, not memory or disk. */
  readonly mapSizeBytes?: number;
}

/** Keys removed per transaction by `clear`, so that readers and the projection are not kept waiting. */
const CLEAR_BATCH = 5_000;
/** Entries read per snapshot by `scan`. */
const SCAN_BATCH = 1_000;

/**
 * The online store in a local LMDB file. A batch is one transaction: visible whole when `writeMany` resolves, on disk a moment later
 * (LMDB syncs behind the writer). A crash of the machine may take the last batches and never leaves part of one; the checkpoint goes with them,
 * so the projection simply goes on from there.
 */
export class LmdbOnlineStore implements OnlineStore {
  private constructor(private readonly db: RootDatabase<Buffer, Buffer>) {}

  static async open(options: LmdbOnlineStoreOptions): Promise<LmdbOnlineStore> {
    return attempt('open', async () => {
      const db = open<Buffer, Buffer>({
        path: options.path,
        keyEncoding: 'binary',
        encoding: 'binary',
        // Values are a kilobyte or more and change all the time: compressing them would cost more than it saves.
        compression: false,
        cache: false,
        ...(options.mapSizeBytes === undefined ? {} : { mapSize: options.mapSizeBytes }),
      });
      return new LmdbOnlineStore(db);
    });
  }

  async getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    return attempt('read', async () => {
      const transaction = this.db.useReadTransaction();
      try {
        return keys.map((key) => this.db.get(key, { transaction }) ?? null);
      } finally {
        transaction.done();
      }
    });
  }

  async writeMany(writes: readonly OnlineWrite[], guards: readonly OnlineGuard[] = []): Promise<boolean> {
    return attempt('write', () =>
      this.db.transaction(() => {
        for (const guard of guards) {
          const found = this.db.get(guard.key);
          if (guard.value === null ? found !== undefined : !found?.equals(guard.value)) return false;
        }
        for (const { key, value } of writes) {
          if (value === null) this.db.removeSync(key);
          else this.db.putSync(key, value);
        }
        return true;
      }),
    );
  }

  async *scan(prefix: Buffer): AsyncIterable<readonly [Buffer, Buffer]> {
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
    let removed = 0;
    for (;;) {
      const count = await attempt('clear', () =>
        this.db.transaction(() => {
          const keys: Buffer[] = [];
          for (const key of this.db.getKeys({ start: prefix, limit: CLEAR_BATCH })) {
            if (!startsWith(key, prefix)) break;
            keys.push(Buffer.from(key));
          }
          for (const key of keys) this.db.removeSync(key);
          return keys.length;
        }),
      );
      removed += count;
      if (count < CLEAR_BATCH) return removed;
    }
  }

  async ping(): Promise<void> {
    await attempt('ping', async () => this.db.doesExist(Buffer.from([0])));
  }

  async close(): Promise<void> {
    await this.db.close();
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
