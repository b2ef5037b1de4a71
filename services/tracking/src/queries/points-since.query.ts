import type { OfflineStore } from '@millrace/offline-store';
import type { MetricPoint } from '../domain/metric-points/metric-points.js';
import { doubleOf } from './double-text.js';

export interface PointsSince {
  readonly experimentId: string;
  readonly runId: string;
  /** Place of the last point that is known: the offset of its record, and its row in it. */
  readonly offset: number;
  readonly row: number;
  /** Offset before which the points are wanted. */
  readonly end: number;
  readonly limit: number;
}

export type PlacedPoint = MetricPoint & { readonly offset: number; readonly row: number };

/** A run's points as they were logged, behind a place of its partition of the log. */
export async function pointsSince(store: OfflineStore, request: PointsSince): Promise<PlacedPoint[]> {
  const { experimentId, runId, offset, row, end, limit } = request;
  const rows = await store.query<{ key: string; step: string; timestamp: string; text: string; offset: string; row: number }>(
    `SELECT key, step, timestamp, toString(value) AS text, _offset AS offset, _row AS row FROM millrace.metric_points
     WHERE experiment_id = {experimentId:String} AND run_id = {runId:String}
       AND (_offset, _row) > ({offset:Int64}, {row:Int64}) AND _offset < {end:UInt64}
     ORDER BY offset, row LIMIT 1 BY offset, row LIMIT {limit:UInt64}`,
    { experimentId, runId, offset, row, end, limit },
  );
  return rows.map(({ key, step, timestamp, text, ...place }) => ({
    key,
    value: doubleOf(text),
    timestamp: Number(timestamp),
    step: Number(step),
    offset: Number(place.offset),
    row: Number(place.row),
  }));
}
