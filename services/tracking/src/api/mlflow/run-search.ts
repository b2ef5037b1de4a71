import {
  invalid,
  isNullTest,
  LISTED_COMPARATORS,
  NUMERIC_COMPARATORS,
  parseFilter,
  parseOrderBy,
  TEXT_COMPARATORS,
  type FilterClause,
} from '@millrace/mlflow-protocol';
import { RUN_ATTRIBUTES, type DatasetField, type RunAttribute, type RunCriterion, type RunOrder } from '../../queries/search-runs.query.js';

/** What MLflow lets people write before the dot. */
const ENTITIES: Readonly<Record<string, 'metric' | 'param' | 'tag' | 'attribute' | 'dataset'>> = {
  metric: 'metric',
  metrics: 'metric',
  parameter: 'param',
  parameters: 'param',
  param: 'param',
  params: 'param',
  tag: 'tag',
  tags: 'tag',
  attribute: 'attribute',
  attributes: 'attribute',
  attr: 'attribute',
  run: 'attribute',
  dataset: 'dataset',
  datasets: 'dataset',
};

/** Other names of attributes, as MLflow's UI writes them. */
const ALIASES: Readonly<Record<string, RunAttribute>> = {
  created: 'start_time',
  Created: 'start_time',
  'run name': 'run_name',
  'Run name': 'run_name',
  'Run Name': 'run_name',
};

const DATASET_FIELDS: readonly DatasetField[] = ['name', 'digest', 'context'];

/** A filter of runs in the query's terms. */
export function criteriaOf(filter: string): RunCriterion[] {
  return parseFilter(filter).map(criterionOf);
}

/** `order_by` of runs in the query's terms; a key named twice is refused. */
export function ordersOf(orderBy: readonly string[]): RunOrder[] {
  const orders = orderBy.map((text): RunOrder => {
    const { entity, key, ascending } = parseOrderBy(text);
    const by = entityOf(entity);
    if (by === 'dataset') throw invalid(`Invalid order_by clause '${text}': runs cannot be ordered by datasets.`);
    return by === 'attribute' ? { by, key: attributeOf(key), ascending } : { by, key, ascending };
  });
  const keys = orders.map(({ by, key }) => JSON.stringify([by, key]));
  if (new Set(keys).size < keys.length) throw invalid(`\`order_by\` contains duplicate fields: ${JSON.stringify(orderBy)}`);
  return orders;
}

function criterionOf({ entity, key, comparator, value }: FilterClause): RunCriterion {
  const on = entityOf(entity);
  if (isNullTest(comparator)) {
    if (on === 'param' || on === 'tag') return { on, key, operator: comparator };
    throw invalid(`Invalid comparator '${comparator}' for ${on} '${key}': it is only supported for tags and params.`);
  }
  const allow = (comparators: readonly string[]) => {
    if (!comparators.includes(comparator)) throw invalid(`Invalid comparator '${comparator}' not one of '${comparators.join(', ')}'`);
  };
  const number = () => {
    if (value.kind !== 'number')
      throw invalid(`Expected numeric value type for ${on} '${key}'. Found ${value.kind === 'string' ? `'${value.text}'` : 'a list'}`);
    return Number(value.text);
  };
  const text = () => {
    if (value.kind === 'none') throw invalid(`Expected a quoted string value for ${on} (e.g. 'my-value').`);
    if (value.kind === 'number') throw invalid(`Expected a quoted string value for ${on} (e.g. 'my-value'). Got value ${value.text}`);
    return value.kind === 'list' ? value.items : value.text;
  };
  switch (on) {
    case 'metric':
      allow(NUMERIC_COMPARATORS);
      return { on, key, operator: comparator, value: number() };
    case 'param':
    case 'tag':
      allow(TEXT_COMPARATORS);
      return { on, key, operator: comparator, value: text() };
    case 'dataset': {
      const field = DATASET_FIELDS.find((known) => known === key);
      if (!field) throw invalid(`Invalid dataset key '${key}' specified. Valid keys are '${DATASET_FIELDS.join(', ')}'`);
      allow(LISTED_COMPARATORS);
      return { on, key: field, operator: comparator, value: text() };
    }
    case 'attribute': {
      const attribute = attributeOf(key);
      if (RUN_ATTRIBUTES[attribute].isNumber) {
        allow(NUMERIC_COMPARATORS);
        return { on, key: attribute, operator: comparator, value: number() };
      }
      allow(LISTED_COMPARATORS);
      if (value.kind === 'list' && attribute !== 'run_id') {
        throw invalid(`Only the 'run_id' attribute supports comparison with a list of quoted string values.`);
      }
      return { on, key: attribute, operator: comparator, value: text() };
    }
  }
}

function entityOf(entity: string | null): 'metric' | 'param' | 'tag' | 'attribute' | 'dataset' {
  const known = entity === null ? 'attribute' : Object.hasOwn(ENTITIES, entity) ? ENTITIES[entity] : undefined;
  if (!known) throw invalid(`Invalid entity type '${entity}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']`);
  return known;
}

function attributeOf(key: string): RunAttribute {
  const name = Object.hasOwn(ALIASES, key) ? (ALIASES[key] as string) : key;
  if (!Object.hasOwn(RUN_ATTRIBUTES, name)) {
    throw invalid(`Invalid attribute key '${key}' specified. Valid keys are '${Object.keys(RUN_ATTRIBUTES).join(', ')}'`);
  }
  return name as RunAttribute;
}
