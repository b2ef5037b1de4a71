import { quoteTable } from './clickhouse-text.js';
import type { OfflineStore } from './offline-store.js';

/** Whether a table (`database.table`) is there now. */
export async function tableExists(store: OfflineStore, table: string): Promise<boolean> {
  const [found] = await store.query<{ result: number }>(`EXISTS TABLE ${quoteTable(table)}`);
  return Number(found?.result) !== 0;
}
