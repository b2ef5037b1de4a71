import type { OfflineStore } from '@millrace/offline-store';
import { TraceSql, type TraceCriterion } from './trace-sql.js';

/** How many traces there are, and of how many either or both of two properties hold. */
export interface TraceCounts {
  readonly total: number;
  readonly first: number;
  readonly second: number;
  readonly both: number;
}

export interface TraceCountsRequest {
  readonly experimentIds: readonly string[];
  /** Which traces are counted at all. */
  readonly among: readonly TraceCriterion[];
  readonly first: readonly TraceCriterion[];
  readonly second: readonly TraceCriterion[];
}

export async function countTraces(store: OfflineStore, request: TraceCountsRequest): Promise<TraceCounts> {
  const traces = new TraceSql(request.experimentIds);
  const [among, first, second] = [request.among, request.first, request.second].map((criteria) => traces.where(criteria));
  const [row] = await store.query<Record<keyof TraceCounts, string>>(
    `SELECT count() AS total, countIf(one) AS first, countIf(other) AS second, countIf(one AND other) AS both
FROM (SELECT ${first} AS one, ${second} AS other FROM ${traces.from} WHERE ${among})`,
    traces.parameters,
  );
  const count = (name: keyof TraceCounts) => Number(row?.[name] ?? 0);
  return { total: count('total'), first: count('first'), second: count('second'), both: count('both') };
}
