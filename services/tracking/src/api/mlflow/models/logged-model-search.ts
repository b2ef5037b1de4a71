import {
  invalid,
  LISTED_COMPARATORS,
  matchesNumber,
  matchesText,
  NUMERIC_COMPARATORS,
  optionalTextTest,
  parseFilter,
  type Fields,
  type FilterClause,
} from '@millrace/mlflow-protocol';
import type { LoggedModel } from '../../../domain/logged-model/logged-model.decider.js';
import type { DatasetFilter, NumericOperator } from '../../../queries/model-metrics.query.js';
import type { LoggedModelOrder, LoggedModelSearch } from '../../../queries/search-logged-models.query.js';

/** What a search may ask of a model itself, by the names clients use. A text that was not told is empty, as in MLflow, so that `!=` finds it. */
const TEXTS: Readonly<Record<string, (model: LoggedModel) => string>> = {
  model_id: (model) => model.modelId,
  name: (model) => model.name,
  model_type: (model) => model.modelType ?? '',
  status: (model) => model.status,
  source_run_id: (model) => model.sourceRunId ?? '',
  experiment_id: (model) => model.experimentId,
  artifact_location: (model) => model.artifactUri,
};
const TIMES: Readonly<Record<string, (model: LoggedModel) => number>> = {
  creation_time: (model) => model.createdAt,
  creation_timestamp: (model) => model.createdAt,
  creation_timestamp_ms: (model) => model.createdAt,
  last_updated_timestamp: (model) => model.updatedAt,
  last_updated_timestamp_ms: (model) => model.updatedAt,
};

type Test = (model: LoggedModel) => boolean;

/** A search as the wire has it. */
export function loggedModelSearchOf(fields: Fields): LoggedModelSearch {
  const tests: Test[] = [];
  const metrics: LoggedModelSearch['metrics'][number][] = [];
  let sourceRunId: string | undefined;
  for (const clause of parseFilter(fields.string('filter') ?? '')) {
    if (clause.entity === 'metrics') metrics.push(metricOf(clause));
    else tests.push(testOf(clause));
    const isOfRun = clause.key === 'source_run_id' && clause.comparator === '=' && clause.value.kind === 'string';
    if (isOfRun && clause.value.text !== '') sourceRunId = clause.value.text;
  }
  return {
    experimentIds: fields.strings('experiment_ids'),
    sourceRunId,
    matches: (model) => tests.every((test) => test(model)),
    metrics,
    datasets: fields.messages('datasets').map(datasetOf),
    orders: fields.messages('order_by').map(orderOf),
  };
}

function metricOf({ key, comparator, value }: FilterClause): LoggedModelSearch['metrics'][number] {
  allow(`metrics.${key}`, comparator, NUMERIC_COMPARATORS);
  if (value.kind !== 'number') throw invalid(`Expected a number to compare metrics.${key} with, such as metrics.${key} > 0.5.`);
  return { key, operator: comparator as NumericOperator, value: Number(value.text) };
}

function testOf(clause: FilterClause): Test {
  const { entity, key, comparator, value } = clause;
  if (entity === 'params' || entity === 'tags') {
    const test = optionalTextTest(clause, LISTED_COMPARATORS);
    return (model) => test(model[entity].get(key));
  }
  if (entity !== null && entity !== 'attributes') {
    throw invalid(`Invalid entity type: '${entity}'. Expected one of ['attributes', 'metrics', 'params', 'tags'].`);
  }
  const time = Object.hasOwn(TIMES, key) ? TIMES[key] : undefined;
  if (time) {
    allow(key, comparator, NUMERIC_COMPARATORS);
    if (value.kind !== 'number') throw invalid(`Expected a number of milliseconds to compare ${key} with.`);
    return (model) => matchesNumber(time(model), comparator, Number(value.text));
  }
  const text = Object.hasOwn(TEXTS, key) ? TEXTS[key] : undefined;
  if (!text)
    throw invalid(
      `Invalid attribute key '${key}' specified. Valid keys are '${[...Object.keys(TEXTS), ...Object.keys(TIMES)].join("', '")}'`,
    );
  allow(key, comparator, LISTED_COMPARATORS);
  if (value.kind === 'number') throw invalid(`Expected a quoted string to compare ${key} with.`);
  return (model) => matchesText(text(model), comparator, value);
}

function allow(what: string, comparator: string, allowed: readonly string[]): void {
  if (!allowed.includes(comparator)) {
    throw invalid(`Invalid comparison operator for ${what}: '${comparator}'. Expected one of ${allowed.join(', ')}.`);
  }
}

function datasetOf(fields: Fields): DatasetFilter {
  const name = fields.string('dataset_name');
  if (!name) throw invalid('`dataset_name` in the `datasets` clause must be specified.');
  return { name, digest: fields.string('dataset_digest') ?? '' };
}

function orderOf(fields: Fields): LoggedModelOrder {
  const name = fields.requiredString('field_name');
  const ascending = fields.has('ascending') ? fields.boolean('ascending') : true;
  const dot = name.indexOf('.');
  if (dot >= 0) {
    if (name.slice(0, dot) !== 'metrics') throw invalid(`Invalid order by field name: ${name}. Only metrics are supported.`);
    const dataset = { name: fields.string('dataset_name') ?? '', digest: fields.string('dataset_digest') ?? '' };
    const datasets = dataset.name === '' && dataset.digest === '' ? [] : [dataset];
    return { by: { metric: name.slice(dot + 1), datasets }, ascending };
  }
  const read = Object.hasOwn(TIMES, name) ? TIMES[name] : Object.hasOwn(TEXTS, name) ? TEXTS[name] : undefined;
  if (!read) throw invalid(`Invalid order by field name: ${name}`);
  return { by: read, ascending };
}
