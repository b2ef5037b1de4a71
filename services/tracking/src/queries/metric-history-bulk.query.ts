import type { OfflineStore } from '@millrace/offline-store';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';
import { doubleOf } from './double-text.js';

export interface BulkHistoryRequest {
  /** Experiments of the runs: points are sorted by them. */
  readonly experimentIds: readonly string[];
  readonly runIds: readonly string[];
  readonly key: string;
  readonly limit: number;
}

export interface RunMetricPoint extends MetricPoint {
  readonly runId: string;
}

/** Points of one metric of several runs: run by run, each by timestamp, then step, then value. A point a client sent twice is one point. */
export async function metricHistoryBulk(store: OfflineStore, request: BulkHistoryRequest): Promise<RunMetricPoint[]> {
  const { experimentIds, runIds, key, limit } = request;
  const rows = await store.query<{ run_id: string; step: string; timestamp: string; text: string }>(
    `SELECT DISTINCT run_id, step, timestamp, toString(value) AS text, value FROM millrace.metric_points
     WHERE experiment_id IN {experimentIds:Array(String)} AND run_id IN {runIds:Array(String)} AND key = {key:String}
     ORDER BY run_id, timestamp, step, value LIMIT {limit:UInt64}`,
    { experimentIds, runIds, key, limit },
  );
  return rows.map(({ run_id: runId, step, timestamp, text }) => ({
    ...{ runId, key, value: doubleOf(text) },
    ...{ timestamp: Number(timestamp), step: Number(step) },
  }));
}
