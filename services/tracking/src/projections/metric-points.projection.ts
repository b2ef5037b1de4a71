import type { BinaryRows } from '@millrace/offline-store';
import type { LoggedPoints } from './logged-points.js';

export const METRIC_POINTS_TABLE = 'millrace.metric_points';

/** A batch of points as rows of `millrace.metric_points`. */
export const metricPointRows: BinaryRows<LoggedPoints> = {
  recordColumns: ['experiment_id', 'run_id'],
  rowColumns: ['key', 'step', 'timestamp', 'value'],
  count: ({ value }) => value.length,
  writeRecord: ({ value }, out) => {
    out.text(value.experimentId);
    out.text(value.runId);
  },
  writeRow: ({ value }, index, out) => {
    out.text(value.keys[index] as string);
    out.int64(value.steps[index] as number);
    out.int64(value.timestamps[index] as number);
    out.float64(value.value(index));
  },
};
