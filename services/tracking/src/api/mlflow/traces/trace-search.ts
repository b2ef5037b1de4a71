import {
  invalid,
  isAttribute,
  isNullTest,
  parseFilter,
  parseOrderBy,
  type AnyComparator,
  type FilterClause,
} from '@millrace/mlflow-protocol';
import {
  PATTERN_FLAGS,
  TRACE_ATTRIBUTES,
  type TraceAttribute,
  type TraceCriterion,
  type TraceOperator,
} from '../../../queries/trace-sql.js';
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
const ENTITIES = ['attribute', 'tag', 'metadata', 'span', 'feedback', 'expectation', 'issue'];
const SPAN_TYPE = 'mlflow.spanType';
const NUMERIC = ['=', '!=', '<', '<=', '>', '>='];
const TEXTUAL = ['=', '!=', 'LIKE', 'ILIKE', 'RLIKE', 'IN', 'NOT IN'];
/** Characters of a regular expression; what it costs grows with its length and with the text, and not faster. */
const LONGEST_PATTERN = 1000;

export function traceCriteriaOf(filter: string): TraceCriterion[] {
  return parseFilter(filter, { knowsPatterns: true }).map(criterionOf);
}

export function traceOrdersOf(orderBy: readonly string[]): TraceSearch['orders'] {
  return orderBy.map((text) => {
    const { entity, key, ascending } = parseOrderBy(text);
    const pair = pairOf(entity, key) ?? (isOwn(entity) && Object.hasOwn(NAMED_PAIRS, key) ? NAMED_PAIRS[key] : undefined);
    if (pair) return { ...pair, ascending };
    const attribute = isOwn(entity) && Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined;
    if (!attribute) throw invalid(`Invalid order_by clause '${text}': traces are ordered by ${ORDERS.join(', ')}, tags and metadata.`);
    return { on: 'attribute', key: attribute, ascending };
  });
}

function criterionOf(clause: FilterClause<AnyComparator>): TraceCriterion {
  const { entity, key, comparator, value } = clause;
  if (isNullTest(comparator)) return presenceOf(entity, key, comparator);
  const text = (): Text => {
    if (!TEXTUAL.includes(comparator))
      throw invalid(`Invalid comparator '${comparator}' for ${key}. Expected one of ${TEXTUAL.join(', ')}.`);
    if (value.kind === 'number' || value.kind === 'none') throw invalid(`Expected a quoted string to compare ${key} with.`);
    if (comparator === 'RLIKE' && value.kind === 'string') return { operator: comparator, value: patternOf(key, value.text) };
    return { operator: comparator, value: value.kind === 'list' ? value.items : value.text };
  };
  const pair = pairOf(entity, key);
  if (pair) return { ...pair, ...text() };
  if (entity === 'feedback' || entity === 'expectation') {
    if (value.kind !== 'number') return { on: entity, key, ...text() };
    if (!NUMERIC.includes(comparator))
      throw invalid(`Invalid comparator '${comparator}' for a number: expected one of ${NUMERIC.join(', ')}.`);
    return { on: entity, key, operator: comparator, value: Number(value.text) };
  }
  if (entity === 'span') return spanCriterionOf(key, text);
  if (entity === 'issue') {
    if (key !== 'id' || comparator !== '=' || value.kind !== 'string') throw invalid(`Issues are searched as in issue.id = 'iss-1'.`);
    return { on: 'issue', key: value.text };
  }
  if (!isOwn(entity)) {
    throw invalid(`Invalid entity type '${entity}'. Valid values are ${ENTITIES.join(', ')}.`);
  }
  if (key === 'prompt') return promptCriterionOf(clause);
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
      `Invalid attribute key '${key}' specified. Valid keys are '${[...Object.keys(ALIASES), 'name', 'run_id', 'text', 'prompt'].join(', ')}'`,
    );
  if (!TRACE_ATTRIBUTES[attribute].isNumber) return { on: 'attribute', key: attribute, ...text() };
  if (!NUMERIC.includes(comparator)) throw invalid(`Invalid comparator '${comparator}' for ${key}. Expected one of ${NUMERIC.join(', ')}.`);
  if (value.kind !== 'number') throw invalid(`Expected a number to compare ${key} with.`);
  return { on: 'attribute', key: attribute, operator: comparator, value: Number(value.text) };
}

interface Text {
  readonly operator: TraceOperator;
  readonly value: string | readonly string[];
}

function patternOf(key: string, pattern: string): string {
  if (pattern.length > LONGEST_PATTERN)
    throw invalid(
      `The regular expression that ${key} is compared with has ${pattern.length} characters; at most ${LONGEST_PATTERN} are taken.`,
    );
  return `${PATTERN_FLAGS}${pattern}`;
}

function spanCriterionOf(key: string, text: () => Text): TraceCriterion {
  if (key === 'name') return { on: 'spanName', ...text() };
  if (key === 'status') return { on: 'spanStatus', ...text() };
  if (key === 'type') return { on: 'spanAttribute', key: SPAN_TYPE, ...text() };
  if (key === 'content') {
    const asked = text();
    if (asked.operator !== 'LIKE' && asked.operator !== 'ILIKE') throw invalid('The content of a span is searched with LIKE or ILIKE.');
    return { on: 'text', ...asked };
  }
  if (!/^attributes\../s.test(key)) {
    throw invalid(`Invalid span attribute '${key}'. Valid ones are name, type, status, content and attributes.<name>.`);
  }
  return { on: 'spanAttribute', key: key.slice('attributes.'.length), ...text() };
}

function promptCriterionOf({ comparator, value }: FilterClause<AnyComparator>): TraceCriterion {
  const [, name, version] = (comparator === '=' && value.kind === 'string' && /^([^/]+)\/([^/]+)$/.exec(value.text)) || [];
  if (name === undefined || version === undefined) throw invalid(`Prompts are searched as in prompt = 'name/version'.`);
  return { on: 'prompt', name, version };
}

/** Whether a tag, a piece of metadata, an assessment or a run is there at all. */
function presenceOf(entity: string | null, key: string, operator: 'IS NULL' | 'IS NOT NULL'): TraceCriterion {
  if (entity === 'feedback' || entity === 'expectation') return { on: entity, key, operator };
  if (isOwn(entity) && key === 'run_id') return { on: 'run', operator };
  const pair = pairOf(entity, key);
  if (!pair)
    throw invalid(
      `Invalid comparator '${operator}' for ${key}: it is only supported for tags, metadata, feedback, expectation and run_id.`,
    );
  return { ...pair, operator };
}

/** The tag or metadata that is named, be it quoted with its entity or not. */
function pairOf(entity: string | null, key: string): { on: 'tag' | 'metadata'; key: string } | undefined {
  if (entity !== null) return Object.hasOwn(PAIRS, entity) ? { on: PAIRS[entity] as 'tag' | 'metadata', key } : undefined;
  const [, whole, rest] = /^(tags?|metadata)\.(.+)$/s.exec(key) ?? [];
  return whole === undefined ? undefined : { on: PAIRS[whole] as 'tag' | 'metadata', key: rest as string };
}

function isOwn(entity: string | null): boolean {
  return isAttribute(entity) || entity === 'trace' || entity === 'traces';
}
