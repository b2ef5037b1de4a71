import type { Ids } from '@millrace/kernel';
import { quoteTable } from './clickhouse-text.js';
import type { OfflineStore } from './offline-store.js';

const PREFIX = 'scratch_';
/** A table this old has lost whoever made it. */
const ABANDONED_SECONDS = 86_400;
const DDL_DEADLINE_MS = 600_000;

/** Makes tables that nobody else sees and that are gone afterwards, whatever happened. */
export class ScratchTables {
  constructor(
    private readonly store: OfflineStore,
    private readonly ids: Ids,
  ) {}

  /** Runs `use` with a table made by `CREATE TABLE <name> <definition>`. The name is quoted. `isGuests`: what fills it is a query of somebody's own. */
  async with<T>(definition: string, use: (table: string, bare: string) => Promise<T>, { isGuests = false } = {}): Promise<T> {
    const bare = `millrace.${PREFIX}${this.ids.next().replaceAll('-', '')}`;
    const table = quoteTable(bare);
    try {
      await this.store.command(`CREATE TABLE ${table} ${definition}`, undefined, { deadlineMs: DDL_DEADLINE_MS, isGuests });
      return await use(table, bare);
    } finally {
      // What cannot be dropped now is swept up at a later start.
      await this.store.command(`DROP TABLE IF EXISTS ${table} SYNC`).catch(() => undefined);
    }
  }

  /**
   * Makes a table by `CREATE TABLE <name> <definition>` beside the one there is under `name` (unquoted), and puts it in its place, so that nobody
   * reads half of it.
   */
  async replace(name: string, definition: string): Promise<void> {
    await this.with(definition, async (made) => {
      await this.store.command(`DROP TABLE IF EXISTS ${quoteTable(name)} SYNC`);
      await this.store.command(`RENAME TABLE ${made} TO ${quoteTable(name)}`);
    });
  }

  /** Drops what crashed processes have left. */
  async sweep(): Promise<void> {
    const found = await this.store.query<{ name: string }>(
      `SELECT name FROM system.tables WHERE database = 'millrace' AND startsWith(name, {prefix:String})
       AND metadata_modification_time < now() - {seconds:UInt32}`,
      { prefix: PREFIX, seconds: ABANDONED_SECONDS },
    );
    for (const { name } of found) await this.store.command(`DROP TABLE IF EXISTS ${quoteTable(`millrace.${name}`)} SYNC`);
  }
}
