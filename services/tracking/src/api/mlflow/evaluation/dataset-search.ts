import {
  invalid,
  isAttribute,
  isOfTag,
  LISTED_COMPARATORS,
  matchesNumber,
  matchesText,
  NUMERIC_COMPARATORS,
  optionalTextTest,
  parseFilter,
  parseOrderBy,
  type FilterClause,
} from '@millrace/mlflow-protocol';
import { creatorOf, type ShownDataset } from './dataset-wire.js';

const TEXTS: Readonly<Record<string, (shown: ShownDataset) => string>> = {
  name: ({ dataset }) => dataset.name,
  dataset_id: ({ dataset }) => dataset.datasetId,
  created_by: ({ dataset }) => creatorOf(dataset),
  last_updated_by: ({ updatedBy }) => updatedBy,
};
const TIMES: Readonly<Record<string, (shown: ShownDataset) => number>> = {
  created_time: ({ dataset }) => dataset.createdAt,
  last_update_time: ({ updatedAt }) => updatedAt,
};
const KEYS = [...Object.keys(TEXTS), ...Object.keys(TIMES)];

export function datasetTest(filter: string): (shown: ShownDataset) => boolean {
  const tests = parseFilter(filter).map(testOf);
  return (shown) => tests.every((test) => test(shown));
}

function testOf(clause: FilterClause): (shown: ShownDataset) => boolean {
  if (isOfTag(clause)) {
    const test = optionalTextTest(clause, LISTED_COMPARATORS);
    return ({ dataset: { tags } }) => test(tags.get(clause.key));
  }
  const { entity, key, comparator, value } = clause;
  const allow = (comparators: readonly string[]) => {
    if (!comparators.includes(comparator))
      throw invalid(`Invalid comparator '${comparator}' for ${key}. Expected one of ${comparators.join(', ')}.`);
  };
  if (!isAttribute(entity)) throw invalid(`Invalid entity type '${entity}'. Valid values are attribute, tag.`);
  const time = Object.hasOwn(TIMES, key) ? TIMES[key] : undefined;
  if (time) {
    allow(NUMERIC_COMPARATORS);
    if (value.kind !== 'number') throw invalid(`Expected a number of milliseconds to compare ${key} with.`);
    return (shown) => matchesNumber(time(shown), comparator, Number(value.text));
  }
  const text = Object.hasOwn(TEXTS, key) ? TEXTS[key] : undefined;
  if (!text) throw invalid(`Invalid attribute key '${key}' specified. Valid keys are '${KEYS.join("', '")}'`);
  allow(LISTED_COMPARATORS);
  if (value.kind === 'number') throw invalid(`Expected a quoted string to compare ${key} with.`);
  return (shown) => matchesText(text(shown), comparator, value);
}

/** The newest first when nothing else decides. */
export function datasetOrder(orderBy: readonly string[]): (a: ShownDataset, b: ShownDataset) => number {
  const orders = orderBy.map((clause) => {
    const { entity, key, ascending } = parseOrderBy(clause);
    const read = !isAttribute(entity)
      ? undefined
      : Object.hasOwn(TIMES, key)
        ? TIMES[key]
        : Object.hasOwn(TEXTS, key)
          ? TEXTS[key]
          : undefined;
    if (!read) throw invalid(`Invalid order_by clause '${clause}'. Valid keys are ${KEYS.join(', ')}.`);
    return { read, ascending };
  });
  return (a, b) => {
    for (const { read, ascending } of orders) {
      const [left, right] = [read(a), read(b)];
      if (left !== right) return left < right === ascending ? -1 : 1;
    }
    return b.dataset.createdAt - a.dataset.createdAt || (a.dataset.datasetId < b.dataset.datasetId ? -1 : 1);
  };
}
