import { checkLength, type Fields } from '@millrace/mlflow-protocol';
import type { ModelPoint } from '../../../domain/logged-model/model-metrics.js';
import { toWire } from '../../../domain/metric-points/metric-points.js';
import { metricOf } from '../fields.js';
import { LIMITS } from '../limits.js';
import { modelIdOf } from './run-models.js';

const NONE: ReadonlyMap<string, readonly ModelPoint[]> = new Map();

/** The points of a request that name a logged model, by its id: of `log-metric` the one, of `log-batch` any of the many. */
export function modelPointsOf(fields: Fields): ReadonlyMap<string, readonly ModelPoint[]> {
  const metrics = fields.has('metrics') ? fields.messages('metrics') : [fields];
  if (!metrics.some(namesModel)) return NONE;
  const byModel = new Map<string, ModelPoint[]>();
  for (const metric of metrics.filter(namesModel)) {
    const modelId = modelIdOf(metric);
    const point = modelPointOf(metric);
    const points = byModel.get(modelId);
    if (points) points.push(point);
    else byModel.set(modelId, [point]);
  }
  return byModel;
}

/** A point with the dataset it was measured on, as a field has it. */
export function modelPointOf(metric: Fields): ModelPoint {
  return {
    ...toWire(metricOf(metric)),
    datasetName: textOf(metric, 'dataset_name', LIMITS.datasetNameLength),
    datasetDigest: textOf(metric, 'dataset_digest', LIMITS.datasetDigestLength),
  };
}

function namesModel(metric: Fields): boolean {
  const modelId = metric.values['model_id'];
  return modelId !== undefined && modelId !== null && modelId !== '';
}

function textOf(metric: Fields, name: string, limit: number): string | null {
  const value = metric.string(name) || null;
  if (value !== null) checkLength(`Metric ${name}`, limit, value);
  return value;
}
