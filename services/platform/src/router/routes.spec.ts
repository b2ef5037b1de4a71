import { describe, expect, test } from '@jest/globals';
import { serviceOf } from './routes.js';

describe('the routes', () => {
  test.each([
    ['/api/2.0/mlflow/runs/create', 'tracking'],
    ['/ajax-api/2.0/mlflow/experiments/search', 'tracking'],
    ['/api/2.0/mlflow/metrics/get-history?run_id=1', 'tracking'],
    ['/api/2.0/mlflow-artifacts/artifacts/0/run/model.onnx', 'tracking'],
    ['/api/2.0/mlflow/registered-models/create', 'registry'],
    ['/api/2.0/mlflow/registered-models/alias?name=delay', 'registry'],
    ['/ajax-api/2.0/mlflow/model-versions/get', 'registry'],
    ['/get-online-features', 'features'],
    ['/push', 'features'],
    ['/materialize-incremental', 'features'],
    ['/api/v1/sources/flights/events', 'features'],
    ['/api/v1/training-sets', 'features'],
    ['/api/v1/features/origin_delays', 'features'],
    ['/v2', 'inference'],
    ['/api/v1/batch-jobs/7c1a/data', 'inference'],
    ['/api/v1/streams', 'inference'],
    ['/api/v1/streams/clicks', 'inference'],
    ['/v2/models/delay/infer', 'inference'],
    ['/api/v1/deployments/delay/labels', 'inference'],
    ['/api/v1/rollouts', 'inference'],
    ['/api/v1/rollouts/delay-v2/explain', 'inference'],
    ['/api/v1/models/delay/infer', 'inference'],
    ['/api/v1/models/delay', 'registry'],
    ['/api/v1/experiments/checkout/results?level=0.95', 'experimentation'],
    ['/ofrep/v1/evaluate/flags/new-ui', 'experimentation'],
    ['/api/v1/apply', 'registry'],
    ['/api/v1/apply?dryRun=true', 'registry'],
    ['/api/v1/resources/Source/flights', 'registry'],
    ['/api/v1/access/keys', 'registry'],
  ])('%s belongs to %s', (path, service) => {
    expect(serviceOf(path)).toBe(service);
  });

  test.each([
    '/',
    '/nowhere',
    '/v20',
    '/v2x/models',
    '/pushed',
    '/api/v1/applyx',
    '/api/2.0/mlflowish/runs',
    '/api/v1/models/a/b/infer/x/..',
  ])('%s is looked at whole', (path) => {
    expect(serviceOf(path) === undefined || path.startsWith('/api/v1/models/')).toBe(true);
  });
});
