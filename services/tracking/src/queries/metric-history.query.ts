import type { OfflineStore } from '@millrace/offline-store';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';
import { doubleOf } from './double-text.js';

export interface HistoryRequest {
  readonly experimentId: string;
  readonly runId: string;
  readonly key: string;
  readonly limit: number;
  readonly offset: number;
}

/**
 * Points of one metric by timestamp, then step, then value; one more than `limit` when there are more. A point a client sent twice
 * is one point.
 */
export async function metricHistory(store: OfflineStore, request: HistoryRequest): Promise<MetricPoint[]> {
  const { experimentId, runId, key, limit, offset } = request;
  // As text, so that NaN and the infinities survive JSON and every double comes back to the bit.
  const rows = await store.query<{ step: string; timestamp: string; text: string }>(
    `SELECT DISTINCT step, timestamp, toString(value) AS text, value FROM millrace.metric_points
     WHERE experiment_id = {experimentId:String} AND run_id = {runId:String} AND key = {key:String}
     ORDER BY timestamp, step, value LIMIT {limit:UInt64} OFFSET {offset:UInt64}`,
    { experimentId, runId, key, limit: limit + 1, offset },
  );
  return rows.map(({ step, timestamp, text }) => ({ key, value: doubleOf(text), timestamp: Number(timestamp), step: Number(step) }));
}
