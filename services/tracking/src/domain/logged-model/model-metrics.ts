import type { WirePoint } from '../metric-points/metric-points.js';

/**
 * Values of metrics of one logged model, as a run measured them: the fact `ModelMetricsLogged` on `millrace.tracking.model-metrics`, keyed
 * by the model. The run's own history has the same points.
 */
export interface ModelMetricsLogged {
  readonly modelId: string;
  readonly experimentId: string;
  readonly runId: string;
  readonly points: readonly ModelPoint[];
}

export interface ModelPoint extends WirePoint {
  readonly datasetName: string | null;
  readonly datasetDigest: string | null;
}
