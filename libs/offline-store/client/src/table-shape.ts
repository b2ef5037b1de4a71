import { Fault } from '@millrace/kernel';
import type { OfflineStore } from './offline-store.js';

/**
 * Checks that a table can be its own checkpoint: a ReplacingMergeTree whose sorting key ends with the position (guards against two
 * writers), with a deduplication window (without one ClickHouse ignores the token in silence), and without partitions (an insert into
 * two of them is not atomic).
 *
 * A table of latest states is the exception: a ReplacingMergeTree with a version column, whose key is what the state is of. Two writers
 * do no harm there because they write the same state, and its rows give way to later ones, so who projects into it keeps
 * `max(_offset)` by a mark: a row a partition of the log that only its next mark replaces.
 */
export async function checkTableShape(store: OfflineStore, table: string): Promise<void> {
  const [database, name] = table.split('.') as [string, string];
  const [found] = await store.query<{ engine: string; engine_full: string; sorting_key: string; partition_key: string }>(
    'SELECT engine, engine_full, sorting_key, partition_key FROM system.tables WHERE database = {database:String} AND name = {name:String}',
    { database, name },
  );
  const wrong = found ? unfit(found) : 'is missing; run the migrations first';
  if (wrong) throw new Fault('MR_OFFLINE_TABLE_UNFIT', `${table} ${wrong}`, false);
}

function unfit(table: { engine: string; engine_full: string; sorting_key: string; partition_key: string }): string | undefined {
  if (!table.engine.endsWith('ReplacingMergeTree')) return `is a ${table.engine}; a projected table is a ReplacingMergeTree`;
  const isLatestStates = /^\w*ReplacingMergeTree\((?:'[^']*', )*[A-Za-z_]\w*\)/.test(table.engine_full);
  if (!isLatestStates && !/(^|, )_partition, _offset(, _row)?$/.test(table.sorting_key))
    return `is sorted by (${table.sorting_key}); the key has to end with _partition, _offset (and _row when a record gives several rows)`;
  if (table.partition_key !== '') return `is partitioned by ${table.partition_key}; an insert into two partitions would not be atomic`;
  const replicated = /^(Replicated|Shared)/.test(table.engine);
  if (!replicated && !/non_replicated_deduplication_window = [1-9]/.test(table.engine_full))
    return 'has no non_replicated_deduplication_window; ClickHouse would ignore the insert tokens';
  return undefined;
}
