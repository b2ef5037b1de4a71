/** How far above a span one is looked for that counts its tokens; also the end of spans that lie in a circle. Below ClickHouse's own bound of 1000. */
const MOST_LEVELS = 200;

/** Tokens that are told of wherever any are. */
const ALWAYS: readonly string[] = ['input_tokens', 'output_tokens', 'total_tokens'];

/**
 * The tokens that the spans of a trace tell of, by trace: `NULL` where none does. As {@link tokensOfSpans} counts them: those of a span below
 * one that counts tokens itself are in that one's.
 */
export function tokensOfSpansSql(metric: string): string {
  const count = `JSONExtract(usage, '${metric}', 'Nullable(Float64)')`;
  // Nullable, so that a trace that is joined to none of these has none, rather than 0.
  return `SELECT trace_id, toNullable(sum(${ALWAYS.includes(metric) ? `ifNull(${count}, 0)` : count})) AS tokens
FROM (
  WITH RECURSIVE
  spans AS (
    SELECT trace_id, key AS id, argMax(parent, (_offset, _row)) AS parent, argMax(usage, (_offset, _row)) AS usage
    FROM millrace.trace_facts
    WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'text' AND trace_id IN (
      SELECT trace_id FROM millrace.trace_facts
      WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'text' AND usage != '')
    GROUP BY trace_id, key
  ),
  climbed AS (
    SELECT trace_id, id AS span, parent AS above, 1 AS level FROM spans WHERE usage != ''
    UNION ALL
    SELECT climbed.trace_id, climbed.span, spans.parent, climbed.level + 1
    FROM climbed INNER JOIN spans ON spans.trace_id = climbed.trace_id AND spans.id = climbed.above
    WHERE spans.usage = '' AND climbed.level < ${MOST_LEVELS}
  )
  SELECT trace_id, usage FROM spans
  WHERE usage != '' AND (trace_id, id) NOT IN (
    SELECT climbed.trace_id, climbed.span
    FROM climbed INNER JOIN spans ON spans.trace_id = climbed.trace_id AND spans.id = climbed.above
    WHERE spans.usage != '')
)
GROUP BY trace_id`;
}
