import { compileSource, type SourcePlan, type ViewPlan } from '@millrace/feature-engine';
import { quoteTable, tableExists, type OfflineStore } from '@millrace/offline-store';
import { sourceDefinition, type ResourceCatalog } from '@millrace/resources';
import { sourceTable } from '../sources/source-table.js';

/** Whether a source's table has the events a view of it was computed from. */
export type HeldEvents =
  /** The source that fills it is applied: it will have them. */
  | { readonly kind: 'filled' }
  /** The source is deleted: it has what came before these offsets, by partition. */
  | { readonly kind: 'left'; readonly next: readonly number[] }
  | { readonly kind: 'gone'; readonly reason: string };

/** Looks for the events of a view, which may be of a version that nobody serves any more. */
export async function heldEvents(store: OfflineStore, catalog: ResourceCatalog, plan: ViewPlan): Promise<HeldEvents> {
  const { name, topic } = plan.source;
  const [newest] = catalog.versions('Source', name);
  if (!newest) return gone(`source ${name} is not in the log`);
  const other = otherThan(plan, compileSource(sourceDefinition(name, newest.spec)));
  if (other) return gone(`source ${name} has another ${other} now, and its table with it`);
  if (catalog.get('Source', name)) return { kind: 'filled' };
  const table = sourceTable(name);
  if (!(await tableExists(store, table))) return gone(`source ${name} is deleted, and so is its table`);
  const rows = await store.query<{ partition: number; next: string }>(
    `SELECT _partition AS partition, max(_offset) + 1 AS next FROM ${quoteTable(table)} WHERE _topic = {topic:String} GROUP BY _partition`,
    { topic },
  );
  const next: number[] = [];
  for (const row of rows) next[Number(row.partition)] = Number(row.next);
  return { kind: 'left', next: Array.from(next, (offset) => offset ?? 0) };
}

/** Whether a table that was left holds everything a vector rests on. */
export function holds(next: readonly number[], known: Readonly<Record<number, number>>): boolean {
  return Object.entries(known).every(([partition, offset]) => offset <= (next[Number(partition)] ?? 0));
}

/** What of the source the view rests on is another now; rows are written as the newest definition says. */
function otherThan({ source, joinKeys, columns }: ViewPlan, newest: SourcePlan): string | undefined {
  if (newest.topic !== source.topic) return 'topic';
  if (nameOf(newest, newest.eventTime) !== nameOf(source, source.eventTime)) return 'event time';
  const needed = [source.eventTime, source.eventId, ...joinKeys.map((key) => key.source), ...columns.map((column) => column.source)];
  for (const index of new Set(needed.filter((place) => place >= 0))) {
    const { name, type } = source.columns[index] as SourcePlan['columns'][number];
    const now = newest.columns[newest.columnIndex.get(name) ?? -1];
    if (now?.type.name !== type.name || now.type.nullable !== type.nullable) return `column ${name}`;
  }
  return undefined;
}

function nameOf(source: SourcePlan, column: number): string | undefined {
  return source.columns[column]?.name;
}

function gone(reason: string): HeldEvents {
  return { kind: 'gone', reason };
}
