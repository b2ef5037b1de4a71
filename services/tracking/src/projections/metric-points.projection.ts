import type { Item } from '@millrace/event-log';
import type { MetricPointsLogged } from '../domain/metric-points/metric-points.js';

export const METRIC_POINTS_TABLE = 'millrace.metric_points';

/** A batch of points as rows of `millrace.metric_points`. ClickHouse reads the text `NaN` and `Infinity` into a Float64. */
export function metricPointRows({ value }: Item<MetricPointsLogged>): object[] {
  const { runId: run_id, experimentId: experiment_id, points } = value;
  return points.map(({ key, value: metric, timestamp, step }) => ({ experiment_id, run_id, key, step, timestamp, value: metric }));
}
