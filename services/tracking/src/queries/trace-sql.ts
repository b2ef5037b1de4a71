import type { SqlParameters } from '@millrace/offline-store';
import { LINKED_PROMPTS, TRACE_NAME } from '../domain/trace/trace.js';
import {
  DELETED,
  SESSION,
  tracesAssessed,
  tracesWithIssue,
  tracesWithSpan,
  type AssessmentCriterion,
  type SpanCriterion,
} from './trace-parts-sql.js';

export type TraceOperator = '=' | '!=' | '<' | '<=' | '>' | '>=' | 'LIKE' | 'ILIKE' | 'RLIKE' | 'IN' | 'NOT IN';

/** Begins the value of every RLIKE: a dot ends at the line's end, as in MLflow, where RE2 as ClickHouse uses it would go on. */
export const PATTERN_FLAGS = '(?-s)';

/** ClickHouse has regular expressions under another name; they are RE2's, whose time is linear in the text. */
export function sqlOperator(operator: TraceOperator): string {
  return operator === 'RLIKE' ? 'REGEXP' : operator;
}

/** What a search may ask of a trace itself, with the column that has it. */
export const TRACE_ATTRIBUTES = {
  timestamp_ms: { column: 'request_time', isNumber: true, isOptional: false },
  execution_time_ms: { column: 'execution_ms', isNumber: true, isOptional: true },
  end_time_ms: { column: '(request_time + ifNull(execution_ms, 0))', isNumber: true, isOptional: false },
  status: { column: 'state', isNumber: false, isOptional: false },
  trace_id: { column: 'trace_id', isNumber: false, isOptional: false },
  experiment_id: { column: 'of_experiment', isNumber: false, isOptional: false },
  client_request_id: { column: 'client_request_id', isNumber: false, isOptional: false },
} as const;

export type TraceAttribute = keyof typeof TRACE_ATTRIBUTES;

/** One condition; what a trace does not have meets `IS NULL` and nothing else. */
export type TraceCriterion =
  | ({
      readonly operator: TraceOperator;
      readonly value: string | number | readonly string[];
    } & (
      | { readonly on: 'attribute'; readonly key: TraceAttribute }
      | { readonly on: 'tag' | 'metadata'; readonly key: string }
      | { readonly on: 'name' | 'run' | 'text' }
    ))
  | { readonly on: 'tag' | 'metadata'; readonly key: string; readonly operator: 'IS NULL' | 'IS NOT NULL' }
  | { readonly on: 'run'; readonly operator: 'IS NULL' | 'IS NOT NULL' }
  | { readonly on: 'prompt'; readonly name: string; readonly version: string }
  | { readonly on: 'issue'; readonly key: string }
  | SpanCriterion
  | AssessmentCriterion;

type Value = string | number | readonly string[];
type OwnCriterion = Exclude<TraceCriterion, SpanCriterion | AssessmentCriterion | { readonly on: 'prompt' | 'issue' }>;

function isOfSpan(criterion: TraceCriterion): criterion is SpanCriterion {
  return criterion.on === 'spanName' || criterion.on === 'spanStatus' || criterion.on === 'spanAttribute';
}

/** The traces of some experiments as SQL, with what is asked of them; values are bound, never written into the text. */
export class TraceSql {
  readonly #parameters: Record<string, Value>;
  #count = 0;

  constructor(experimentIds: readonly string[]) {
    this.#parameters = { experimentIds };
  }

  get parameters(): SqlParameters {
    return this.#parameters;
  }

  bind(type: string, value: Value): string {
    const name = `p${this.#count++}`;
    this.#parameters[name] = value;
    return `{${name}:${type}}`;
  }

  /** A row for each trace that is there, as its client or else its root span tells of it. */
  get from(): string {
    return `(
  SELECT trace_id, any(experiment_id) AS of_experiment,
    argMax(request_time, (kind = 'info', _offset)) AS request_time,
    tupleElement(argMax((execution_ms,), (kind = 'info', _offset)), 1) AS execution_ms,
    argMax(state, (kind = 'info', _offset)) AS state,
    argMax(client_request_id, (kind = 'info', _offset)) AS client_request_id,
    argMaxIf(value, _offset, kind = 'root') AS root_name,
    countIf(kind = 'info') = 0 AS isToldByRoot
  FROM millrace.trace_facts
  WHERE experiment_id IN {experimentIds:Array(String)} AND kind IN ('info', 'root')
    AND trace_id NOT IN (${DELETED})
  GROUP BY trace_id
) AS traces`;
  }

  /** What has to hold of a row of {@link from}. */
  where(criteria: readonly TraceCriterion[]): string {
    // What is asked of spans is asked of one and the same.
    const spans = criteria.filter(isOfSpan);
    const tests = criteria.filter((criterion) => !isOfSpan(criterion)).map((criterion) => this.#test(criterion));
    if (spans.length > 0) tests.push(tracesWithSpan(spans, (value) => this.#bound(value)));
    return tests.length === 0 ? 'true' : tests.map((test) => `(${test})`).join('\n  AND ');
  }

  /** Last values of a pair, by trace. */
  pairs(kind: 'tag' | 'metadata', key: string): string {
    return `SELECT trace_id, argMax(value, (_offset, _row)) AS value FROM millrace.trace_facts
      WHERE experiment_id IN {experimentIds:Array(String)} AND kind = '${kind}' AND key = ${this.bind('String', key)}
      GROUP BY trace_id HAVING argMax(present, (_offset, _row))`;
  }

  #test(criterion: Exclude<TraceCriterion, SpanCriterion>): string {
    const bind = (value: Value) => this.#bound(value);
    switch (criterion.on) {
      case 'feedback':
      case 'expectation':
        return tracesAssessed(criterion, bind, this.pairs('metadata', SESSION));
      case 'issue':
        return tracesWithIssue(criterion.key, bind);
      case 'prompt': {
        const is = (field: 'name' | 'version') => `JSONExtractString(one, '${field}') = ${bind(criterion[field])}`;
        return this.#having('tag', LINKED_PROMPTS, `arrayExists(one -> ${is('name')} AND ${is('version')}, JSONExtractArrayRaw(value))`);
      }
      default:
        return this.#testOfOwn(criterion);
    }
  }

  #testOfOwn(criterion: OwnCriterion): string {
    if (!('value' in criterion)) {
      const isThere = criterion.on === 'run' ? this.#ofRun('true') : this.#having(criterion.on, criterion.key, 'true');
      return criterion.operator === 'IS NULL' ? `NOT (${isThere})` : isThere;
    }
    const { operator, value } = criterion;
    switch (criterion.on) {
      case 'attribute': {
        const { column, isNumber } = TRACE_ATTRIBUTES[criterion.key];
        const test = `${column} ${sqlOperator(operator)} ${this.#bound(value, isNumber)}`;
        // Empty is not told: it meets no comparison, not even `!=`.
        return criterion.key === 'client_request_id' ? `(client_request_id != '' AND ${test})` : test;
      }
      case 'tag':
      case 'metadata':
        return this.#having(criterion.on, criterion.key, `value ${sqlOperator(operator)} ${this.#bound(value, false)}`);
      case 'name': {
        const test = `${sqlOperator(operator)} ${this.#bound(value, false)}`;
        return `${this.#having('tag', TRACE_NAME, `value ${test}`)} OR (isToldByRoot AND root_name ${test})`;
      }
      case 'run':
        return this.#ofRun(`key ${sqlOperator(operator)} ${this.#bound(value, false)}`);
      case 'text':
        return `trace_id IN (SELECT trace_id FROM millrace.trace_facts
          WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'text' AND value ${operator} ${this.#bound(value, false)})`;
    }
  }

  /** Traces that were made in, or linked to, a run whose id holds. */
  #ofRun(test: string): string {
    return `trace_id IN (SELECT trace_id FROM millrace.trace_facts
      WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'run' AND ${test})`;
  }

  /** Traces that have a pair whose last value holds. */
  #having(kind: 'tag' | 'metadata', key: string, test: string): string {
    return `trace_id IN (SELECT trace_id FROM (${this.pairs(kind, key)}) WHERE ${test})`;
  }

  #bound(value: Value, isNumber = typeof value === 'number'): string {
    if (typeof value !== 'string' && typeof value !== 'number') return this.bind('Array(String)', value);
    return isNumber ? this.bind('Float64', Number(value)) : this.bind('String', String(value));
  }
}
