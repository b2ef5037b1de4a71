import { expect, test } from '@jest/globals';
import { accessRuleOf } from './access-rules.js';
import { allows } from './identity.js';

test.each([
  ['GET', '/healthz', 'open'],
  ['GET', '/metrics', 'open'],
  ['GET', '/v2/health/ready', 'open'],
  ['GET', '/v2/models/:model', 'viewer'],
  ['POST', '/v2/models/:model/versions/:version/infer', 'viewer'],
  ['POST', '/v2/repository/index', 'viewer'],
  ['POST', '/v2/repository/models/:model/unload', 'editor'],
  ['POST', '/api/v1/deployments/:deployment/invocations', 'viewer'],
  ['POST', '/get-online-features', 'viewer'],
  ['POST', '/api/2.0/mlflow/runs/search', 'viewer'],
  ['POST', '/api/2.0/mlflow/experiments/search-datasets', 'viewer'],
  ['POST', '/api/2.0/mlflow/runs/create', 'editor'],
  ['PUT', '/api/2.0/mlflow-artifacts/artifacts/*', 'editor'],
  ['DELETE', '/api/v1/resources/:kind/:name', 'editor'],
  ['POST', '/api/v1/apply', 'editor'],
  ['GET', '/api/v1/access/whoami', 'anyone'],
  ['GET', '/api/v1/access/keys', 'admin'],
  ['POST', '/api/v1/testing/reset', 'admin'],
  ['POST', '/api/2.0/mlflow/runs/import-points', 'admin'],
  ['POST', '/api/2.0/mlflow/logged-models/import', 'admin'],
  ['POST', '/api/2.0/mlflow/logged-models/import-points', 'admin'],
  ['POST', '/api/2.0/mlflow/model-versions/import', 'admin'],
  ['POST', '/api/2.0/mlflow/registered-models/import-rest', 'admin'],
  ['GET', '/api/2.0/mlflow/registered-models/imported', 'viewer'],
])('%s %s is for %s', (method, path, rule) => {
  expect(accessRuleOf(method, path, { metrics: 'open' })).toBe(rule);
});

test('each role may do what those before it may', () => {
  const roles = ['viewer', 'editor', 'approver', 'admin'] as const;
  for (const [i, role] of roles.entries()) {
    for (const [j, rule] of roles.entries()) expect(allows(role, rule)).toBe(i >= j);
    expect(allows(role, 'anyone')).toBe(true);
  }
});
