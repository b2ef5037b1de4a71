import type { OfflineStore } from '@millrace/offline-store';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';
import { doubleOf } from './double-text.js';
import { bitsOf } from './run-index/compare.js';
import { isAfter, isCursorOf, orderBy, type KeyCursor, type SortKey } from './sort-keys.js';

export interface HistoryRequest {
  readonly experimentId: string;
  readonly runId: string;
  readonly key: string;
  readonly limit: number;
  /** The cursor of the point the page begins after. */
  readonly after?: KeyCursor | undefined;
}

const VALUE = 'if(isNaN(value), 0., value)';
const KEYS: readonly SortKey[] = [
  { expression: 'timestamp', ascending: true, type: 'Int64' },
  { expression: 'step', ascending: true, type: 'Int64' },
  { expression: 'toInt64(isNaN(value))', ascending: true, type: 'Int64' },
  { expression: VALUE, ascending: true, type: 'Float64' },
];

export function isHistoryCursor(cursor: KeyCursor): boolean {
  return isCursorOf(KEYS, cursor);
}

/** Where a point stands in its history. */
export function historyCursor({ timestamp, step, value }: MetricPoint): KeyCursor {
  return [String(timestamp), String(step), Number.isNaN(value) ? '1' : '0', bitsOf(Number.isNaN(value) ? 0 : value)];
}

/**
 * Points of one metric by timestamp, then step, then value; one more than `limit` when there are more. A point a client sent twice
 * is one point.
 */
export async function metricHistory(store: OfflineStore, request: HistoryRequest): Promise<MetricPoint[]> {
  const { experimentId, runId, key, limit, after } = request;
  const parameters: Record<string, string | number> = { experimentId, runId, key, limit: limit + 1 };
  const bind = (type: string, value: string) => {
    const name = `p${Object.keys(parameters).length}`;
    parameters[name] = value;
    return `{${name}:${type}}`;
  };
  // As text, so that NaN and the infinities survive JSON and every double comes back to the bit.
  const rows = await store.query<{ step: string; timestamp: string; text: string }>(
    `SELECT DISTINCT step, timestamp, toString(value) AS text, value FROM millrace.metric_points
     WHERE experiment_id = {experimentId:String} AND run_id = {runId:String} AND key = {key:String}${after ? ` AND ${isAfter(KEYS, after, bind)}` : ''}
     ORDER BY ${orderBy(KEYS)} LIMIT {limit:UInt64}`,
    parameters,
  );
  return rows.map(({ step, timestamp, text }) => ({ key, value: doubleOf(text), timestamp: Number(timestamp), step: Number(step) }));
}
