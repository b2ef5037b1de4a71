import type { OfflineStore, SqlParameters } from '@millrace/offline-store';
import { foldTrace, TRACE_NAME, type Trace } from '../domain/trace/trace.js';
import type { TraceFact } from '../domain/trace/trace-facts.js';

export type TraceOperator = '=' | '!=' | '<' | '<=' | '>' | '>=' | 'LIKE' | 'ILIKE' | 'IN' | 'NOT IN';

/** What a search may ask of a trace itself, with the column that has it. */
export const TRACE_ATTRIBUTES = {
  timestamp_ms: { column: 'request_time', isNumber: true },
  execution_time_ms: { column: 'execution_ms', isNumber: true },
  status: { column: 'state', isNumber: false },
  trace_id: { column: 'trace_id', isNumber: false },
  client_request_id: { column: 'client_request_id', isNumber: false },
} as const;

export type TraceAttribute = keyof typeof TRACE_ATTRIBUTES;

export type TraceCriterion = {
  readonly operator: TraceOperator;
  readonly value: string | number | readonly string[];
} & (
  | { readonly on: 'attribute'; readonly key: TraceAttribute }
  | { readonly on: 'tag' | 'metadata'; readonly key: string }
  | { readonly on: 'name' | 'run' }
);

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
  const parameters: Record<string, string | number | readonly string[]> = { experimentIds: search.experimentIds };
  let count = 0;
  const bind = (type: string, value: string | number | readonly string[]): string => {
    const name = `p${count++}`;
    parameters[name] = value;
    return `{${name}:${type}}`;
  };
  const bound = (value: TraceCriterion['value'], isNumber: boolean): string => {
    if (typeof value !== 'string' && typeof value !== 'number') return bind('Array(String)', value);
    return isNumber ? bind('Float64', Number(value)) : bind('String', String(value));
  };
  /** Traces that have a pair whose last value holds. */
  const having = (kind: string, key: string, test: string): string =>
    `trace_id IN (SELECT trace_id FROM millrace.trace_facts
      WHERE experiment_id IN {experimentIds:Array(String)} AND kind = '${kind}' AND key = ${bind('String', key)}
      GROUP BY trace_id HAVING argMax(present, (_offset, _row)) AND argMax(value, (_offset, _row)) ${test})`;
  const where = search.criteria.map((criterion) => {
    const { operator, value } = criterion;
    switch (criterion.on) {
      case 'attribute': {
        const { column, isNumber } = TRACE_ATTRIBUTES[criterion.key];
        return `${column} ${operator} ${bound(value, isNumber)}`;
      }
      case 'tag':
      case 'metadata':
        return having(criterion.on, criterion.key, `${operator} ${bound(value, false)}`);
      case 'name': {
        const test = `${operator} ${bound(value, false)}`;
        return `(${having('tag', TRACE_NAME, test)} OR (isToldByRoot AND root_name ${test}))`;
      }
      case 'run':
        return `trace_id IN (SELECT trace_id FROM millrace.trace_facts
          WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'run' AND key ${operator} ${bound(value, false)})`;
    }
  });
  const orders = search.orders.map(({ key, ascending }) => {
    const { column } = TRACE_ATTRIBUTES[key];
    return `${key === 'execution_time_ms' ? `isNull(${column}), ` : ''}${column} ${ascending ? 'ASC' : 'DESC'}`;
  });
  if (!search.orders.some(({ key }) => key === 'timestamp_ms')) orders.push('request_time DESC');
  orders.push('trace_id');
  const sql = `SELECT trace_id AS id
FROM (
  SELECT trace_id,
    argMax(request_time, (kind = 'info', _offset)) AS request_time,
    tupleElement(argMax((execution_ms,), (kind = 'info', _offset)), 1) AS execution_ms,
    argMax(state, (kind = 'info', _offset)) AS state,
    argMax(client_request_id, (kind = 'info', _offset)) AS client_request_id,
    argMaxIf(value, _offset, kind = 'root') AS root_name,
    countIf(kind = 'info') = 0 AS isToldByRoot
  FROM millrace.trace_facts
  WHERE experiment_id IN {experimentIds:Array(String)} AND kind IN ('info', 'root')
    AND trace_id NOT IN (SELECT trace_id FROM millrace.trace_facts WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'deleted')
  GROUP BY trace_id
) AS traces
${where.length === 0 ? '' : `WHERE ${where.join('\n  AND ')}`}
ORDER BY ${orders.join(', ')}
LIMIT ${bind('UInt64', search.limit + 1)} OFFSET ${bind('UInt64', search.offset)}`;
  return { sql, parameters };
}
