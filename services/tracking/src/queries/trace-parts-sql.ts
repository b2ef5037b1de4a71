import { sqlOperator, type TraceOperator } from './trace-sql.js';

type Value = string | number | readonly string[];

/** What is asked of one span of a trace. */
export type SpanCriterion = { readonly operator: TraceOperator; readonly value: string | readonly string[] } & (
  { readonly on: 'spanName' | 'spanStatus' } | { readonly on: 'spanAttribute'; readonly key: string }
);

/** What is asked of the valid assessments of a trace that have a name. A number is compared with values that are numbers. */
export type AssessmentCriterion = { readonly on: 'feedback' | 'expectation'; readonly key: string } & (
  { readonly operator: TraceOperator; readonly value: Value } | { readonly operator: 'IS NULL' | 'IS NOT NULL' }
);

/** Metadata of a trace, and of an assessment that is of the whole session. */
export const SESSION = 'mlflow.trace.session';

/** Ids of the traces that are deleted. */
export const DELETED = `SELECT trace_id FROM millrace.trace_facts WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'deleted'`;

/** Binds a value and gives the text that stands for it. */
type Bind = (value: Value) => string;

/** Facts of one type in the experiments that are searched, whole. */
function factsOf(type: string): string {
  return `millrace.trace_facts WHERE experiment_id IN {experimentIds:Array(String)} AND kind = 'fact' AND type = '${type}'`;
}

/** Traces with a span of which all of these hold. */
export function tracesWithSpan(criteria: readonly SpanCriterion[], bind: Bind): string {
  return `trace_id IN (SELECT trace_id FROM (
      SELECT trace_id, argMax(span, _offset) AS last
      FROM (SELECT trace_id, _offset, arrayJoin(JSONExtractArrayRaw(fact, 'spans')) AS span FROM ${factsOf('SpansLogged')})
      GROUP BY trace_id, JSONExtractString(span, 'spanId')
    ) WHERE ${criteria.map((criterion) => spanTest(criterion, bind)).join(' AND ')})`;
}

function spanTest(criterion: SpanCriterion, bind: Bind): string {
  const test = `${sqlOperator(criterion.operator)} ${bind(criterion.value)}`;
  switch (criterion.on) {
    case 'spanName':
      return `JSONExtractString(last, 'name') ${test}`;
    case 'spanStatus':
      return `transform(JSONExtractString(last, 'state'), ['STATE_UNSPECIFIED'], ['UNSET']) ${test}`;
    case 'spanAttribute': {
      const value = `tupleElement(JSONExtractKeysAndValuesRaw(one, 'value')[1], 2)`;
      // Clients of MLflow write their values as JSON inside of the text.
      return `arrayExists(one -> JSONExtractString(one, 'key') = ${bind(criterion.key)} AND ${unquoted(unquoted(value))} ${test},
        JSONExtractArrayRaw(JSONExtractString(last, 'span'), 'attributes'))`;
    }
  }
}

/**
 * Traces that have, or do not have, an assessment as asked for. One whose metadata names a session is of every trace of the session that
 * its own trace belongs to; `sessions` are the traces with their sessions.
 */
export function tracesAssessed(criterion: AssessmentCriterion, bind: Bind, sessions: string): string {
  const { on, key, operator } = criterion;
  const named = `JSONHas(last, '${on}') AND JSONExtractString(last, 'assessment_name') = ${bind(key)}`;
  const isValid = `NOT (JSONHas(last, 'valid') AND NOT JSONExtractBool(last, 'valid'))`;
  const value = 'value' in criterion ? ` AND ${valueTest(on, criterion.operator, criterion.value, bind)}` : '';
  const test = `${named} AND ${isValid}${value}`;
  const ofSession = assessed(`${test} AND JSONHas(last, 'metadata', '${SESSION}') AND trace_id NOT IN (${DELETED})`);
  const traces = `(trace_id IN (${assessed(test)}) OR trace_id IN (
      SELECT trace_id FROM (${sessions}) WHERE value IN (SELECT value FROM (${sessions}) WHERE trace_id IN (${ofSession}))))`;
  return operator === 'IS NULL' ? `NOT ${traces}` : traces;
}

/** Traces that an issue was found in. */
export function tracesWithIssue(issueId: string, bind: Bind): string {
  return `trace_id IN (${assessed(`JSONHas(last, 'issue') AND JSONExtractString(last, 'assessment_name') = ${bind(issueId)}`)})`;
}

/** An assessment that is taken away is told of as null, which is read as no text here. */
function assessed(test: string): string {
  return `SELECT trace_id FROM (
      SELECT trace_id, argMax(JSONExtractString(fact, 'assessment'), _offset) AS last FROM ${factsOf('TraceAssessed')}
      GROUP BY trace_id, JSONExtractString(fact, 'assessmentId')
    ) WHERE ${test}`;
}

function valueTest(on: 'feedback' | 'expectation', operator: TraceOperator, value: Value, bind: Bind): string {
  const plain = `JSONExtractRaw(last, '${on}', 'value')`;
  const serialized = `JSONExtractString(last, 'expectation', 'serialized_value', 'value')`;
  const raw = on === 'feedback' ? plain : `if(JSONHas(last, 'expectation', 'serialized_value'), ${serialized}, ${plain})`;
  if (typeof value === 'number') return `toFloat64OrNull(${raw}) ${operator} ${bind(value)}`;
  return `${unquoted(raw)} ${sqlOperator(operator)} ${bind(value)}`;
}

/** The text of a JSON string; anything else as it is written. */
function unquoted(json: string): string {
  return `if(startsWith(${json}, '"'), JSONExtractString(${json}), ${json})`;
}
