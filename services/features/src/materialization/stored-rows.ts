import type { SourcePlan, Value } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';

const DEADLINE_MS = 600_000;

/** Where rows with these ids can be in the source's table; event times in milliseconds, both included. */
export interface StoredRange {
  readonly from: number;
  readonly to: number;
}

/**
 * The values of events as the source's table has them, by id: of each id those of the event that was appended last. With a range only events
 * with such times are looked at, which is all where an id tells the time.
 */
export async function storedRows(
  { store, scratch }: { readonly store: OfflineStore; readonly scratch: ScratchTables },
  plan: SourcePlan,
  ids: readonly string[],
  range: StoredRange | undefined,
): Promise<Map<string, readonly Value[]>> {
  const id = quoteIdentifier((plan.columns[plan.eventId] as SourcePlan['columns'][number]).name);
  const names = plan.columns.map(({ name }, index) => `${quoteIdentifier(name)} AS __c${index}`).join(', ');
  const isNear =
    "AND _event_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND _event_time <= fromUnixTimestamp64Milli({to:Int64}, 'UTC')";
  return scratch.with('(id String) ENGINE = Memory', async (table, bare) => {
    await store.insert(
      bare,
      ids.map((text) => ({ id: text })),
      bare,
    );
    const found = await store.query<Record<string, unknown>>(
      `SELECT ${names} FROM ${quoteTable(sourceTable(plan.name))}
       WHERE toString(${id}) IN (SELECT id FROM ${table}) ${range ? isNear : ''}
       ORDER BY _appended DESC, _partition DESC, _offset DESC LIMIT 1 BY ${id}`,
      range ? { from: range.from, to: range.to } : {},
      { deadlineMs: DEADLINE_MS },
    );
    return new Map(
      found.map((row) => {
        const values = plan.columns.map(({ type }, index) => {
          const value = row[`__c${index}`];
          return value === null || value === undefined ? null : (type.parse(value) ?? null);
        });
        return [String(values[plan.eventId]), values];
      }),
    );
  });
}
