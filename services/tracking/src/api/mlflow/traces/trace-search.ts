import { invalid, isNullTest, parseFilter, parseOrderBy, type FilterClause } from '@millrace/mlflow-protocol';
import { TRACE_ATTRIBUTES, type TraceAttribute, type TraceCriterion } from '../../../queries/trace-sql.js';
import { SOURCE_RUN, TRACE_NAME } from '../../../domain/trace/trace.js';
import type { TraceSearch } from '../../../queries/traces.query.js';

/** What clients call the attributes. */
const ALIASES: Readonly<Record<string, TraceAttribute>> = {
  timestamp: 'timestamp_ms',
  timestamp_ms: 'timestamp_ms',
  request_time: 'timestamp_ms',
  execution_time: 'execution_time_ms',
  execution_time_ms: 'execution_time_ms',
  execution_duration: 'execution_time_ms',
  status: 'status',
  state: 'status',
  trace_id: 'trace_id',
  request_id: 'trace_id',
  id: 'trace_id',
  end_time: 'end_time_ms',
  end_time_ms: 'end_time_ms',
  experiment_id: 'experiment_id',
  client_request_id: 'client_request_id',
};
const PAIRS: Readonly<Record<string, 'tag' | 'metadata'>> = {
  ...{ tag: 'tag', tags: 'tag' },
  ...{ metadata: 'metadata', request_metadata: 'metadata', trace_metadata: 'metadata' },
};
/** Attributes that traces have as a tag or as metadata. */
const NAMED_PAIRS: Readonly<Record<string, { on: 'tag' | 'metadata'; key: string }>> = {
  name: { on: 'tag', key: TRACE_NAME },
  run_id: { on: 'metadata', key: SOURCE_RUN },
};
const ORDERS = ['timestamp', 'execution_time', 'end_time', 'status', 'trace_id', 'experiment_id', 'name', 'run_id'];
const NUMERIC = ['=', '!=', '<', '<=', '>', '>='];
const TEXTUAL = ['=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN'];

export function traceCriteriaOf(filter: string): TraceCriterion[] {
  return parseFilter(filter).map(criterionOf);
}

export function traceOrdersOf(orderBy: readonly string[]): TraceSearch['orders'] {
  return orderBy.map((text) => {
    const { entity, key, ascending } = parseOrderBy(text);
    const pair = pairOf(entity, key) ?? (isAttribute(entity) && Object.hasOwn(NAMED_PAIRS, key) ? NAMED_PAIRS[key] : undefined);
    if (pair) return { ...pair, ascending };
    const attribute = isAttribute(entity) && Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined;
    if (!attribute) throw invalid(`Invalid order_by clause '${text}': traces are ordered by ${ORDERS.join(', ')}, tags and metadata.`);
    return { on: 'attribute', key: attribute, ascending };
  });
}

function criterionOf({ entity, key, comparator, value }: FilterClause): TraceCriterion {
  if (isNullTest(comparator)) return presenceOf(entity, key, comparator);
  const text = () => {
    if (!TEXTUAL.includes(comparator))
      throw invalid(`Invalid comparator '${comparator}' for ${key}. Expected one of ${TEXTUAL.join(', ')}.`);
    if (value.kind === 'number' || value.kind === 'none') throw invalid(`Expected a quoted string to compare ${key} with.`);
    return { operator: comparator, value: value.kind === 'list' ? value.items : value.text };
  };
  const pair = pairOf(entity, key);
  if (pair) return { ...pair, ...text() };
  if (!isAttribute(entity)) {
    throw invalid(`Invalid entity type '${entity}': traces are searched by attributes, tags and metadata here, not by ${entity}.`);
  }
  if (key === 'text') {
    if (comparator !== 'LIKE' && comparator !== 'ILIKE')
      throw invalid(`The text of a trace is searched with LIKE or ILIKE, not with ${comparator}.`);
    return { on: 'text', ...text() };
  }
  if (key === 'name') return { on: 'name', ...text() };
  if (key === 'run_id') return { on: 'run', ...text() };
  const attribute = Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined;
  if (!attribute)
    throw invalid(
      `Invalid attribute key '${key}' specified. Valid keys are '${[...Object.keys(ALIASES), 'name', 'run_id', 'text'].join(', ')}'`,
    );
  if (!TRACE_ATTRIBUTES[attribute].isNumber) return { on: 'attribute', key: attribute, ...text() };
  if (!NUMERIC.includes(comparator)) throw invalid(`Invalid comparator '${comparator}' for ${key}. Expected one of ${NUMERIC.join(', ')}.`);
  if (value.kind !== 'number') throw invalid(`Expected a number to compare ${key} with.`);
  return { on: 'attribute', key: attribute, operator: comparator, value: Number(value.text) };
}

/** Whether a tag or a piece of metadata is there at all. */
function presenceOf(entity: string | null, key: string, operator: 'IS NULL' | 'IS NOT NULL'): TraceCriterion {
  const pair = pairOf(entity, key);
  if (!pair) throw invalid(`Invalid comparator '${operator}' for ${key}: it is only supported for tags and metadata.`);
  return { ...pair, operator };
}

/** The tag or metadata that is named, be it quoted with its entity or not. */
function pairOf(entity: string | null, key: string): { on: 'tag' | 'metadata'; key: string } | undefined {
  if (entity !== null) return Object.hasOwn(PAIRS, entity) ? { on: PAIRS[entity] as 'tag' | 'metadata', key } : undefined;
  const [, whole, rest] = /^(tags?|metadata)\.(.+)$/s.exec(key) ?? [];
  return whole === undefined ? undefined : { on: PAIRS[whole] as 'tag' | 'metadata', key: rest as string };
}

function isAttribute(entity: string | null): boolean {
  return entity === null || ['attribute', 'attributes', 'attr', 'trace', 'traces'].includes(entity);
}
