import type { BinaryRows } from '@millrace/offline-store';
import type { MetricPointsLogged, WirePoint } from '../domain/metric-points/metric-points.js';

export const METRIC_POINTS_TABLE = 'millrace.metric_points';

/** A batch of points as rows of `millrace.metric_points`. */
export const metricPointRows: BinaryRows<MetricPointsLogged> = {
  recordColumns: ['experiment_id', 'run_id'],
  rowColumns: ['key', 'step', 'timestamp', 'value'],
  count: ({ value }) => value.points.length,
  writeRecord: ({ value }, out) => {
    out.text(value.experimentId);
    out.text(value.runId);
  },
  writeRow: ({ value: { points } }, index, out) => {
    const { key, step, timestamp, value } = points[index] as WirePoint;
    out.text(key);
    out.int64(step);
    out.int64(timestamp);
    out.float64(Number(value));
  },
};
