import { quoteIdentifier, type OfflineStore, type SqlParameters } from '@millrace/offline-store';
import { runKeyPath } from '../projections/run-key-path.js';
import { cursorColumns, isAfter, isCursorOf, orderBy, type KeyCursor, type SortKey } from './sort-keys.js';

export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | 'LIKE' | 'ILIKE' | 'IN' | 'NOT IN';
/** Of params and tags it may also be asked whether they are there at all. */
export type PresenceOperator = 'IS NULL' | 'IS NOT NULL';

/** Attributes of a run that can be searched and ordered by, with their columns. */
export const RUN_ATTRIBUTES = {
  run_id: { column: 'run_id', isNumber: false },
  run_name: { column: 'name', isNumber: false },
  status: { column: 'status', isNumber: false },
  artifact_uri: { column: 'artifact_uri', isNumber: false },
  user_id: { column: 'user_id', isNumber: false },
  start_time: { column: 'start_time', isNumber: true },
  end_time: { column: 'end_time', isNumber: true },
} as const;

export type RunAttribute = keyof typeof RUN_ATTRIBUTES;
export type DatasetField = 'name' | 'digest' | 'context';
export type CriterionValue = string | number | readonly string[];

/** One condition; a run matches when all of them hold. What a run does not have matches `IS NULL` and nothing else, not even `!=`. */
export type RunCriterion =
  | { readonly on: 'attribute'; readonly key: RunAttribute; readonly operator: Operator; readonly value: CriterionValue }
  | { readonly on: 'param' | 'tag' | 'metric'; readonly key: string; readonly operator: Operator; readonly value: CriterionValue }
  | { readonly on: 'param' | 'tag'; readonly key: string; readonly operator: PresenceOperator }
  | { readonly on: 'dataset'; readonly key: DatasetField; readonly operator: Operator; readonly value: CriterionValue };

/** One ordering; runs without the value come last, NaN just before them. */
export type RunOrder =
  | { readonly by: 'attribute'; readonly key: RunAttribute; readonly ascending: boolean }
  | { readonly by: 'param' | 'tag' | 'metric'; readonly key: string; readonly ascending: boolean };

export interface RunSearch {
  /** Experiments whose deleted runs are left out, and experiments all of whose runs are looked at. */
  readonly activeIn: readonly string[];
  readonly deletedIn: readonly string[];
  readonly allIn: readonly string[];
  readonly criteria: readonly RunCriterion[];
  readonly orders: readonly RunOrder[];
  readonly limit: number;
  /** The cursor of the run the page begins after; of a search with the same orders. */
  readonly after?: RunCursor | undefined;
}

/** One text for each {@link sortKeys} of the search. */
export type RunCursor = KeyCursor;

export interface FoundRun {
  readonly id: string;
  readonly cursor: RunCursor;
}

/** The runs that match, in order; one more than `limit` when there are more. */
export async function searchRuns(store: OfflineStore, search: RunSearch): Promise<FoundRun[]> {
  const { sql, parameters } = searchRunsSql(search);
  const rows = await store.query<Record<string, string>>(sql, parameters);
  return rows.map(({ id, ...keys }) => ({ id: id as string, cursor: Object.values(keys) }));
}

/** The statement. What comes from the client is a bound parameter, or the quoted name of a column inside a JSON column. */
export function searchRunsSql(search: RunSearch): { sql: string; parameters: SqlParameters } {
  const binder = new Binder();
  const { activeIn, deletedIn, allIn } = search;
  const keys = sortKeys(search.orders);
  const where = [
    'NOT purged',
    `experiment_id IN ${binder.bind('Array(String)', [...activeIn, ...deletedIn, ...allIn])}`,
    `(experiment_id IN ${binder.bind('Array(String)', allIn)}` +
      ` OR (experiment_id IN ${binder.bind('Array(String)', activeIn)} AND NOT deleted)` +
      ` OR (experiment_id IN ${binder.bind('Array(String)', deletedIn)} AND deleted))`,
    ...search.criteria.map((criterion) => condition(criterion, binder)),
    ...(search.after ? [isAfter(keys, search.after, (type, value) => binder.bind(type, value))] : []),
  ];
  const sql = `SELECT run_id AS id, ${cursorColumns(keys)}
FROM millrace.run_states FINAL
WHERE ${where.join('\n  AND ')}
ORDER BY ${orderBy(keys)}
LIMIT ${binder.bind('UInt64', search.limit + 1)}`;
  return { sql, parameters: binder.parameters };
}

class Binder {
  readonly parameters: Record<string, string | number | readonly string[]> = {};
  #count = 0;

  bind(type: string, value: string | number | readonly string[]): string {
    const name = `p${this.#count++}`;
    this.parameters[name] = value;
    return `{${name}:${type}}`;
  }

  value(value: CriterionValue, isNumber: boolean): string {
    if (Array.isArray(value)) return this.bind('Array(String)', value as readonly string[]);
    return isNumber ? this.bind('Float64', Number(value)) : this.bind('String', String(value));
  }
}

function condition(criterion: RunCriterion, binder: Binder): string {
  if (isPresence(criterion)) return `${textOf(criterion.on, criterion.key)} ${criterion.operator}`;
  const { operator } = criterion;
  switch (criterion.on) {
    case 'attribute': {
      const { column, isNumber } = RUN_ATTRIBUTES[criterion.key];
      return `${column} ${operator} ${binder.value(criterion.value, isNumber)}`;
    }
    case 'param':
    case 'tag':
      return `${textOf(criterion.on, criterion.key)} ${operator} ${binder.value(criterion.value, false)}`;
    case 'metric':
      return `${metricOf(criterion.key)} ${operator} ${binder.value(criterion.value, true)}`;
    case 'dataset':
      return `arrayExists(one -> one ${operator} ${binder.value(criterion.value, false)}, \`datasets.${criterion.key}\`)`;
  }
}

/** Whether a criterion asks if a param or tag is there, rather than what it is. */
export function isPresence(criterion: RunCriterion): criterion is RunCriterion & { readonly operator: PresenceOperator } {
  return criterion.operator === 'IS NULL' || criterion.operator === 'IS NOT NULL';
}

/** NULL where the run has no such param or tag. */
function textOf(on: 'param' | 'tag', key: string): string {
  return `${on}s.${quoteIdentifier(runKeyPath(key))}.:String`;
}

/** NULL where the run has no such metric. */
function metricOf(key: string): string {
  const path = `metrics.${quoteIdentifier(runKeyPath(key))}`;
  return `ifNull(${path}.:Float64, toFloat64OrNull(${path}.:String))`;
}

function sortKeys(orders: readonly RunOrder[]): SortKey[] {
  return withTieBreaks(orders).flatMap(keysOf);
}

/** An order to its end: what was asked, then the newest first, then by id, so that no two runs stand at one place. */
export function withTieBreaks(orders: readonly RunOrder[]): RunOrder[] {
  const isNamed = (name: RunAttribute) => orders.some(({ by, key }) => by === 'attribute' && key === name);
  return [
    ...orders,
    ...(isNamed('start_time') ? [] : [{ by: 'attribute', key: 'start_time', ascending: false } as const]),
    ...(isNamed('run_id') ? [] : [{ by: 'attribute', key: 'run_id', ascending: true } as const]),
  ];
}

function keysOf(order: RunOrder): SortKey[] {
  const { ascending } = order;
  const rank = (expression: string): SortKey => ({ expression, ascending: true, type: 'Int64' });
  switch (order.by) {
    case 'attribute': {
      const { column, isNumber } = RUN_ATTRIBUTES[order.key];
      if (order.key !== 'end_time') return [{ expression: column, ascending, type: isNumber ? 'Int64' : 'String' }];
      return [rank(`isNull(${column})`), { expression: `ifNull(${column}, 0)`, ascending, type: 'Int64' }];
    }
    case 'param':
    case 'tag': {
      const text = textOf(order.by, order.key);
      return [rank(`isNull(${text})`), { expression: `ifNull(${text}, '')`, ascending, type: 'String' }];
    }
    case 'metric': {
      const metric = metricOf(order.key);
      const number = { expression: `if(isNaN(ifNull(${metric}, nan)), 0., assumeNotNull(${metric}))`, ascending, type: 'Float64' } as const;
      return [rank(`multiIf(isNull(${metric}), 2, isNaN(${metric}), 1, 0)`), number];
    }
  }
}

/** Whether a text is a cursor of these orders. */
export function isRunCursor(orders: readonly RunOrder[], cursor: RunCursor): boolean {
  return isCursorOf(sortKeys(orders), cursor);
}
