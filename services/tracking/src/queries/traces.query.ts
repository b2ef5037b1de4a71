import type { OfflineStore, SqlParameters } from '@millrace/offline-store';
import { foldTrace, type Trace } from '../domain/trace/trace.js';
import type { TraceFact } from '../domain/trace/trace-facts.js';
import { TRACE_ATTRIBUTES, TraceSql, type TraceAttribute, type TraceCriterion } from './trace-sql.js';

export interface TraceSearch {
  readonly experimentIds: readonly string[];
  readonly criteria: readonly TraceCriterion[];
  readonly orders: readonly { readonly key: TraceAttribute; readonly ascending: boolean }[];
  readonly limit: number;
  readonly offset: number;
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

/** Ids of the traces that match, in order, the newest first when nothing else decides; one more than `limit` when there are more. */
export async function searchTraces(store: OfflineStore, search: TraceSearch): Promise<string[]> {
  if (search.experimentIds.length === 0) return [];
  const { sql, parameters } = searchTracesSql(search);
  return (await store.query<{ id: string }>(sql, parameters)).map((row) => row.id);
}

export function searchTracesSql(search: TraceSearch): { sql: string; parameters: SqlParameters } {
  const traces = new TraceSql(search.experimentIds);
  const where = traces.where(search.criteria);
  const orders = search.orders.map(({ key, ascending }) => {
    const { column } = TRACE_ATTRIBUTES[key];
    return `${key === 'execution_time_ms' ? `isNull(${column}), ` : ''}${column} ${ascending ? 'ASC' : 'DESC'}`;
  });
  if (!search.orders.some(({ key }) => key === 'timestamp_ms')) orders.push('request_time DESC');
  orders.push('trace_id');
  const sql = `SELECT trace_id AS id
FROM ${traces.from}
WHERE ${where}
ORDER BY ${orders.join(', ')}
LIMIT ${traces.bind('UInt64', search.limit + 1)} OFFSET ${traces.bind('UInt64', search.offset)}`;
  return { sql, parameters: traces.parameters };
}
