import type { OfflineStore } from '@millrace/offline-store';
import { TOKEN_USAGE } from '../domain/trace/span-account.js';
import { TRACE_NAME } from '../domain/trace/trace.js';
import { TraceSql, type TraceCriterion } from './trace-sql.js';
import { tokensOfSpansSql } from './trace-tokens-sql.js';

export const TOKEN_METRICS = [
  'input_tokens',
  'output_tokens',
  'total_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
] as const;

export type TraceMetric = 'trace_count' | 'span_count' | 'latency' | (typeof TOKEN_METRICS)[number];
export type TraceDimension = 'trace_name' | 'trace_status' | 'span_name' | 'span_status';
export type Aggregation =
  | { readonly kind: 'COUNT' | 'SUM' | 'AVG' | 'MIN' | 'MAX' }
  /** Between 0 and 100. */
  | { readonly kind: 'PERCENTILE'; readonly at: number };

export interface TraceMetricsRequest {
  readonly experimentIds: readonly string[];
  readonly of: 'traces' | 'spans';
  readonly metric: TraceMetric;
  readonly aggregations: readonly Aggregation[];
  readonly dimensions: readonly TraceDimension[];
  readonly criteria: readonly TraceCriterion[];
  /** Length of the parts of time that are told apart; one part for all without it. */
  readonly intervalSeconds: number | undefined;
  readonly limit: number;
  readonly offset: number;
}

export interface TraceMetricRow {
  /** Milliseconds since the epoch at which the part of time begins. */
  readonly from: number | undefined;
  readonly dimensions: Readonly<Record<string, string>>;
  /** In the order of the aggregations; `null` where nothing was measured. */
  readonly values: readonly (number | null)[];
}

/** A measure of traces or of their spans by time and property, in that order; one row more than `limit` when there are more. */
export async function traceMetrics(store: OfflineStore, request: TraceMetricsRequest): Promise<TraceMetricRow[]> {
  const { metric, aggregations, dimensions, intervalSeconds } = request;
  const traces = new TraceSql(request.experimentIds);
  const where = traces.where(request.criteria);
  const measured = measuredSql(traces, request);
  const columns = [
    ...(intervalSeconds === undefined ? [] : [`toString(intDiv(time, {interval:Int64}) * {interval:Int64}) AS part`]),
    ...dimensions.map((dimension) => `${DIMENSIONS[dimension]} AS ${dimension}`),
  ];
  const groups = [...(intervalSeconds === undefined ? [] : ['part']), ...dimensions];
  const order = groups.map((group) => (group === 'part' ? 'toInt64(part)' : group));
  // Of what is counted there is a row each; of what is measured, only where it was.
  const present = metric === 'trace_count' || metric === 'span_count' ? '' : 'WHERE measure IS NOT NULL';
  const values = aggregations.map((aggregation, index) => `${aggregationSql(aggregation)} AS value${index}`);
  const rows = await store.query<Record<string, string | number | null>>(
    `SELECT ${[...columns, ...values].join(', ')}
FROM (${measured(where)})
${present}
${groups.length === 0 ? '' : `GROUP BY ${groups.join(', ')}\nORDER BY ${order.join(', ')}`}
LIMIT ${traces.bind('UInt64', request.limit + 1)} OFFSET ${traces.bind('UInt64', request.offset)}`,
    { ...traces.parameters, ...(intervalSeconds === undefined ? {} : { interval: intervalSeconds * 1000 }) },
  );
  return rows.map((row) => ({
    from: intervalSeconds === undefined ? undefined : Number(row['part']),
    dimensions: Object.fromEntries(dimensions.map((dimension) => [dimension, String(row[dimension])])),
    values: aggregations.map((_, index) => numberOf(row[`value${index}`])),
  }));
}

const DIMENSIONS: Readonly<Record<TraceDimension, string>> = {
  trace_name: 'name',
  trace_status: 'state',
  span_name: 'name',
  span_status: 'state',
};

/** Rows of what is measured: time, name, state, measure. */
function measuredSql(traces: TraceSql, { of, metric }: TraceMetricsRequest): (where: string) => string {
  if (of === 'spans') {
    return (
      where,
    ) => `SELECT intDiv(toInt64(start), 1000000) AS time, name, transform(told, ['STATE_UNSPECIFIED'], ['UNSET'], told) AS state,
    if(end = 0, NULL, (end - start) / 1000000) AS measure
  FROM (
    SELECT trace_id, JSONExtractString(span, 'spanId') AS id, argMax(JSONExtractString(span, 'name'), _offset) AS name,
      argMax(JSONExtractString(span, 'state'), _offset) AS told,
      argMax(toUInt64OrZero(JSONExtractString(span, 'startNs')), _offset) AS start, argMax(toUInt64OrZero(JSONExtractString(span, 'endNs')), _offset) AS end
    FROM (
      SELECT trace_id, _offset, arrayJoin(JSONExtractArrayRaw(fact, 'spans')) AS span FROM millrace.trace_facts
      WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'fact' AND type = 'SpansLogged'
    )
    WHERE trace_id IN (SELECT trace_id FROM ${traces.from} WHERE ${where})
    GROUP BY trace_id, id
  )`;
  }
  const tokens = TOKEN_METRICS.find((one) => one === metric);
  const names = `LEFT JOIN (${traces.pairs('tag', TRACE_NAME)}) AS names ON names.trace_id = traces.trace_id`;
  // As with a trace that is read: its client's account of the tokens, or that of its spans where they are all that is known.
  const usage =
    tokens === undefined
      ? ''
      : `LEFT JOIN (${traces.pairs('metadata', TOKEN_USAGE)}) AS told ON told.trace_id = traces.trace_id
    LEFT JOIN (${tokensOfSpansSql(tokens)}) AS spent ON spent.trace_id = traces.trace_id`;
  const measure =
    tokens === undefined
      ? 'toFloat64(execution_ms)'
      : `if(isToldByRoot, spent.tokens, toFloat64(JSONExtract(told.value, '${tokens}', 'Nullable(Float64)')))`;
  return (where) => `SELECT request_time AS time, if(isToldByRoot, root_name, names.value) AS name, state, ${measure} AS measure
  FROM (SELECT * FROM ${traces.from} WHERE ${where}) AS traces ${names} ${usage}`;
}

function aggregationSql(aggregation: Aggregation): string {
  switch (aggregation.kind) {
    case 'COUNT':
      return 'toFloat64(count())';
    case 'PERCENTILE':
      return `quantileExactInclusive(${Number(aggregation.at) / 100})(measure)`;
    case 'SUM':
    case 'AVG':
    case 'MIN':
    case 'MAX':
      return `${aggregation.kind.toLowerCase()}(measure)`;
  }
}

function numberOf(value: string | number | null | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
