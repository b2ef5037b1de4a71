import { randomUUID } from 'node:crypto';
import { Fault } from '@millrace/kernel';
import { clickHouseCodeOf } from './clickhouse-fault.js';
import { quoteTable } from './clickhouse-text.js';
import type { OfflineStore } from './offline-store.js';

const TABLE_ALREADY_EXISTS = 57;
const UNKNOWN_TABLE = 60;
const RENEW_MS = 5_000;
/** A holder that has not renewed for this long is dead. */
const STALE_SECONDS = 30;
const PAUSE_MS = 200;
const PATIENCE_MS = 120_000;

const turns = new WeakMap<OfflineStore, Promise<unknown>>();

/**
 * Runs `work` while no other process migrates the same name. In chdb this process is the only one, and taking turns is enough. On a
 * server the lock is a table: creating one is atomic and the second creator is told so; its comment is touched while the work runs, and
 * a lock whose holder died is renamed away, which again only one can do.
 */
export async function withMigrationLock<T>(store: OfflineStore, name: string, work: () => Promise<T>): Promise<T> {
  if (store.kind === 'server') return withLockTable(store, `millrace.migrating_${name.replace(/\W/g, '_')}`, work);
  const turn = (turns.get(store) ?? Promise.resolve()).then(work, work);
  turns.set(
    store,
    turn.catch(() => undefined),
  );
  return turn;
}

async function withLockTable<T>(store: OfflineStore, lock: string, work: () => Promise<T>): Promise<T> {
  await acquire(store, lock);
  const renewal = setInterval(() => {
    // A renewal that fails shows as a stale lock to others; the statements are repeatable, so a second runner does no harm.
    store.command(`ALTER TABLE ${quoteTable(lock)} MODIFY COMMENT '${randomUUID()}'`).catch(() => undefined);
  }, RENEW_MS);
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await store.command(`DROP TABLE IF EXISTS ${quoteTable(lock)} SYNC`);
  }
}

async function acquire(store: OfflineStore, lock: string): Promise<void> {
  for (let waited = 0; waited <= PATIENCE_MS; waited += PAUSE_MS) {
    try {
      await store.command(`CREATE TABLE ${quoteTable(lock)} (held UInt8) ENGINE = Memory COMMENT '${randomUUID()}'`);
      return;
    } catch (error) {
      if (clickHouseCodeOf(error) !== TABLE_ALREADY_EXISTS) throw error;
    }
    await breakStale(store, lock);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Fault('MR_MIGRATION_LOCKED', `${lock} has been held for ${PATIENCE_MS} ms; if no service is migrating, drop that table`, true);
}

async function breakStale(store: OfflineStore, lock: string): Promise<void> {
  const [database, table] = lock.split('.') as [string, string];
  const stale = await store.query(
    `SELECT 1 FROM system.tables
     WHERE database = {database:String} AND name = {table:String} AND metadata_modification_time < now() - {stale:UInt32}`,
    { database, table, stale: STALE_SECONDS },
  );
  if (stale.length === 0) return;
  const broken = `${lock}_broken_${randomUUID().replaceAll('-', '')}`;
  try {
    await store.command(`RENAME TABLE ${quoteTable(lock)} TO ${quoteTable(broken)}`);
    await store.command(`DROP TABLE IF EXISTS ${quoteTable(broken)} SYNC`);
  } catch (error) {
    if (clickHouseCodeOf(error) !== UNKNOWN_TABLE) throw error;
  }
}
