import type { OfflineStore, SqlParameters } from '@millrace/offline-store';
import { foldTrace, TRACE_NAME, type Trace } from '../domain/trace/trace.js';
import type { TraceFact } from '../domain/trace/trace-facts.js';
import { cursorColumns, isAfter, isCursorOf, orderBy, type KeyCursor, type SortKey } from './sort-keys.js';
import { TRACE_ATTRIBUTES, TraceSql, type TraceAttribute, type TraceCriterion } from './trace-sql.js';

/** What traces are ordered by. A tag or a piece of metadata that a trace does not have comes last. */
export type TraceOrder = { readonly ascending: boolean } & (
  { readonly on: 'attribute'; readonly key: TraceAttribute } | { readonly on: 'tag' | 'metadata'; readonly key: string }
);

export interface TraceSearch {
  readonly experimentIds: readonly string[];
  readonly criteria: readonly TraceCriterion[];
  readonly orders: readonly TraceOrder[];
  readonly limit: number;
  /** The cursor of the trace the page begins after; of a search with the same orders. */
  readonly after?: KeyCursor | undefined;
}

export interface FoundTrace {
  readonly id: string;
  readonly cursor: KeyCursor;
}

/** Traces by id, whole or without their spans, in the order of the ids; what is not there is left out. */
export async function tracesById(store: OfflineStore, traceIds: readonly string[], withSpans: boolean): Promise<Trace[]> {
  if (traceIds.length === 0) return [];
  // A trace nobody gave an account of is told from its spans, so those are read whenever there is no account.
  const rows = await store.query<{ trace_id: string; type: TraceFact['type']; fact: string }>(
    `SELECT trace_id, type, fact FROM millrace.trace_facts
     WHERE trace_id IN {traceIds:Array(String)} AND kind IN ('fact', 'spans')
       ${
         withSpans
           ? ''
           : `AND (type != 'SpansLogged' OR kind = 'spans' OR trace_id NOT IN (
         SELECT trace_id FROM millrace.trace_facts WHERE kind = 'info' AND trace_id IN {traceIds:Array(String)}))`
       }
     ORDER BY trace_id, _offset`,
    { traceIds },
  );
  const facts = new Map<string, TraceFact[]>();
  const withSpansHere = new Set<string>();
  for (const { trace_id, type, fact } of rows) {
    if (type === 'SpansLogged') withSpansHere.add(trace_id);
    if (fact === '') continue;
    const of = facts.get(trace_id) ?? [];
    of.push({ type, data: JSON.parse(fact) as never });
    facts.set(trace_id, of);
  }
  return traceIds.map((id) => foldTrace(facts.get(id) ?? [], withSpansHere.has(id))).filter((trace) => trace !== undefined);
}

/** The traces that match, in order, the newest first when nothing else decides; one more than `limit` when there are more. */
export async function searchTraces(store: OfflineStore, search: TraceSearch): Promise<FoundTrace[]> {
  if (search.experimentIds.length === 0) return [];
  const { sql, parameters } = searchTracesSql(search);
  const rows = await store.query<Record<string, string>>(sql, parameters);
  return rows.map(({ id, ...keys }) => ({ id: id as string, cursor: Object.values(keys) }));
}

export function searchTracesSql(search: TraceSearch): { sql: string; parameters: SqlParameters } {
  const traces = new TraceSql(search.experimentIds);
  const where = traces.where(search.criteria);
  const keys = sortKeysOf(search.orders);
  const joins = search.orders.map((order, index) => {
    if (order.on === 'attribute') return '';
    return `LEFT JOIN (SELECT trace_id AS t${index}, value AS v${index} FROM (${traces.pairs(order.on, order.key)})) AS j${index} ON traces.trace_id = t${index}\n`;
  });
  const behind = search.after ? `WHERE ${isAfter(keys, search.after, (type, value) => traces.bind(type, value))}\n` : '';
  const sql = `SELECT trace_id AS id, ${cursorColumns(keys)}
FROM (SELECT * FROM ${traces.from} WHERE ${where}) AS traces
${joins.join('')}${behind}ORDER BY ${orderBy(keys)}
LIMIT ${traces.bind('UInt64', search.limit + 1)}`;
  return { sql, parameters: traces.parameters };
}

/** Whether a text is a cursor of these orders. */
export function isTraceCursor(orders: readonly TraceOrder[], cursor: KeyCursor): boolean {
  return isCursorOf(sortKeysOf(orders), cursor);
}

/** An order to its end: what was asked, then the newest first, then by id, so that no two traces stand at one place. */
function sortKeysOf(orders: readonly TraceOrder[]): SortKey[] {
  const isNamed = orders.some(({ on, key }) => on === 'attribute' && key === 'timestamp_ms');
  return [
    ...orders.flatMap(keysOf),
    ...(isNamed ? [] : [{ expression: 'request_time', ascending: false, type: 'Int64' } as const]),
    { expression: 'trace_id', ascending: true, type: 'String' },
  ];
}

function keysOf(order: TraceOrder, index: number): SortKey[] {
  const { ascending } = order;
  const rank = (expression: string): SortKey => ({ expression: `toInt64(${expression})`, ascending: true, type: 'Int64' });
  // A trace that is told of by its root alone has its name from there.
  if (order.on === 'tag' && order.key === TRACE_NAME) {
    return [
      rank(`t${index} = '' AND NOT isToldByRoot`),
      { expression: `if(isToldByRoot, root_name, v${index})`, ascending, type: 'String' },
    ];
  }
  if (order.on !== 'attribute') return [rank(`t${index} = ''`), { expression: `v${index}`, ascending, type: 'String' }];
  const { column, isNumber, isOptional } = TRACE_ATTRIBUTES[order.key];
  if (isOptional) return [rank(`isNull(${column})`), { expression: `ifNull(${column}, 0)`, ascending, type: 'Int64' }];
  return [{ expression: column, ascending, type: isNumber ? 'Int64' : 'String' }];
}
