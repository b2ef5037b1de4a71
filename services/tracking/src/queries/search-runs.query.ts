import type { OfflineStore, SqlParameters } from '@millrace/offline-store';

export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | 'LIKE' | 'ILIKE' | 'IN' | 'NOT IN';

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

/** One condition; a run matches when all of them hold. What a run does not have matches nothing, not even `!=`. */
export type RunCriterion =
  | { readonly on: 'attribute'; readonly key: RunAttribute; readonly operator: Operator; readonly value: CriterionValue }
  | { readonly on: 'param' | 'tag' | 'metric'; readonly key: string; readonly operator: Operator; readonly value: CriterionValue }
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
  /** The run after which the page begins; where it is no longer found, the page begins at `offset`. */
  readonly after?: string | undefined;
  readonly offset: number;
}

/** Ids of the runs that match, in order; one more than `limit` when there are more. */
export async function searchRuns(store: OfflineStore, search: RunSearch): Promise<string[]> {
  let { offset } = search;
  if (search.after !== undefined) {
    const { sql, parameters } = runRankSql(search, search.after);
    const [found] = await store.query<{ rank: string }>(sql, parameters);
    offset = found ? Number(found.rank) : offset;
  }
  const { sql, parameters } = searchRunsSql({ ...search, offset });
  const rows = await store.query<{ id: string }>(sql, parameters);
  return rows.map((row) => row.id);
}

/** True when the answer rests on metric points, so that the caller knows what to wait for. */
export function readsMetrics(search: Pick<RunSearch, 'criteria' | 'orders'>): boolean {
  return search.criteria.some(({ on }) => on === 'metric') || search.orders.some(({ by }) => by === 'metric');
}

/** The statement. Names of runs come from the client only as bound parameters. */
export function searchRunsSql(search: RunSearch): { sql: string; parameters: SqlParameters } {
  const binder = new Binder();
  const { matching, ordering } = clauses(search, binder);
  const sql = `SELECT run_id AS id
${matching}
ORDER BY ${ordering}
LIMIT ${binder.bind('UInt64', search.limit + 1)} OFFSET ${binder.bind('UInt64', search.offset)}`;
  return { sql, parameters: binder.parameters };
}

/** How many runs come before a run in the order of a search, itself included. */
export function runRankSql(search: RunSearch, runId: string): { sql: string; parameters: SqlParameters } {
  const binder = new Binder();
  const { matching, ordering } = clauses(search, binder);
  const ranked = `SELECT run_id AS id, row_number() OVER (ORDER BY ${ordering}) AS rank\n${matching}`;
  return { sql: `SELECT rank FROM (\n${ranked}\n) WHERE id = ${binder.bind('String', runId)}`, parameters: binder.parameters };
}

function clauses(search: RunSearch, binder: Binder): { matching: string; ordering: string } {
  const { activeIn, deletedIn, allIn } = search;
  const experiments = binder.bind('Array(String)', [...activeIn, ...deletedIn, ...allIn]);
  const where = [
    'NOT purged',
    `(experiment_id IN ${binder.bind('Array(String)', allIn)}` +
      ` OR (experiment_id IN ${binder.bind('Array(String)', activeIn)} AND NOT deleted)` +
      ` OR (experiment_id IN ${binder.bind('Array(String)', deletedIn)} AND deleted))`,
    ...search.criteria.map((criterion) => condition(criterion, binder, experiments)),
  ];
  const joins: string[] = [];
  const ordering = search.orders.flatMap((order, index) => orderTerms(order, index, binder, experiments, joins));
  if (!search.orders.some(({ by, key }) => by === 'attribute' && key === 'start_time')) ordering.push('start_time DESC');
  if (!search.orders.some(({ by, key }) => by === 'attribute' && key === 'run_id')) ordering.push('run_id');
  // The narrow columns say which row of a run is the last; only those rows' wide columns are read.
  const matching = `FROM (
  SELECT * FROM millrace.run_states
  WHERE experiment_id IN ${experiments} AND (run_id, sequence) IN (
    SELECT run_id, max(sequence) FROM millrace.run_states WHERE experiment_id IN ${experiments} GROUP BY run_id)
  LIMIT 1 BY run_id
) AS runs
${joins.join('\n')}
WHERE ${where.join('\n  AND ')}`;
  return { matching, ordering: ordering.join(', ') };
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

function condition(criterion: RunCriterion, binder: Binder, experiments: string): string {
  const { operator, key } = criterion;
  switch (criterion.on) {
    case 'attribute': {
      const { column, isNumber } = RUN_ATTRIBUTES[criterion.key];
      return `${column} ${operator} ${binder.value(criterion.value, isNumber)}`;
    }
    case 'param':
    case 'tag': {
      const name = binder.bind('String', key);
      const map = `${criterion.on}s`;
      return `(mapContains(${map}, ${name}) AND ${map}[${name}] ${operator} ${binder.value(criterion.value, false)})`;
    }
    case 'metric':
      return `run_id IN (SELECT run_id FROM (${latestOf(key, binder, experiments)}) WHERE latest ${operator} ${binder.value(criterion.value, true)})`;
    case 'dataset':
      return `arrayExists(one -> one ${operator} ${binder.value(criterion.value, false)}, \`datasets.${criterion.key}\`)`;
  }
}

/** Each run's latest value of one metric. */
function latestOf(key: string, binder: Binder, experiments: string): string {
  return `SELECT run_id, argMax(value, (step, timestamp, if(isNaN(value), 0, value))) AS latest FROM millrace.metric_points
    WHERE experiment_id IN ${experiments} AND key = ${binder.bind('String', key)} GROUP BY run_id`;
}

function orderTerms(order: RunOrder, index: number, binder: Binder, experiments: string, joins: string[]): string[] {
  const direction = order.ascending ? 'ASC' : 'DESC';
  switch (order.by) {
    case 'attribute': {
      const { column } = RUN_ATTRIBUTES[order.key];
      return order.key === 'end_time' ? [`isNull(${column})`, `${column} ${direction}`] : [`${column} ${direction}`];
    }
    case 'param':
    case 'tag': {
      const name = binder.bind('String', order.key);
      return [`NOT mapContains(${order.by}s, ${name})`, `${order.by}s[${name}] ${direction}`];
    }
    case 'metric': {
      const alias = `metric${index}`;
      const latest = `SELECT run_id AS run_id_${index}, latest AS ${alias}, 1 AS has_${alias} FROM (${latestOf(order.key, binder, experiments)})`;
      joins.push(`LEFT JOIN (${latest}) AS joined${index} ON runs.run_id = joined${index}.run_id_${index}`);
      return [`multiIf(has_${alias} = 0, 2, isNaN(${alias}), 1, 0)`, `${alias} ${direction}`];
    }
  }
}
