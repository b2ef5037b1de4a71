/**
 * A batch of metric points of one run, as one client logged it: the fact `MetricPointsLogged` on `millrace.tracking.metric-points`,
 * keyed by the run, appended after the run was seen active.
 */
export interface MetricPointsLogged {
  readonly runId: string;
  readonly experimentId: string;
  readonly points: readonly WirePoint[];
}

export interface WirePoint {
  readonly key: string;
  /** JSON has no number for what is not finite. */
  readonly value: number | 'NaN' | 'Infinity' | '-Infinity';
  /** Milliseconds since the epoch, by the client's clock. */
  readonly timestamp: number;
  readonly step: number;
}

export interface MetricPoint {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

export function toWire(point: MetricPoint): WirePoint {
  return Number.isFinite(point.value) ? point : { ...point, value: String(point.value) as 'NaN' };
}

export function fromWire({ key, value, timestamp, step }: WirePoint): MetricPoint {
  return { key, value: Number(value), timestamp, step };
}

/**
 * Whether `a` stands for its key rather than `b`: the greater step, then the greater timestamp, then the greater value, NaN counting
 * as 0. Not the one written last: a late point of an early step does not win. Of two equal ones either may stand.
 */
export function isLater(a: MetricPoint, b: MetricPoint): boolean {
  if (a.step !== b.step) return a.step > b.step;
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp;
  return rank(a.value) > rank(b.value);
}

function rank(value: number): number {
  return Number.isNaN(value) ? 0 : value;
}
