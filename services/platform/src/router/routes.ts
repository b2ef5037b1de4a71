import { OPENAPI_PATH } from '@millrace/service';

/** The five services behind one address. */
export const SERVICES = ['tracking', 'registry', 'features', 'inference', 'experimentation'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** What the first `*` of a pattern stands for; where it is something else, another pattern has the same beginning. */
const MLFLOW_VERSIONS = ['2.0', '3.0'];

/**
 * Who answers which path when the services run apart. First match wins. `*` stands for one segment, `**` at the end for anything
 * below (or nothing). Every route a service registers has to be found here; a test holds the table against the services.
 */
const TABLE: readonly (readonly [pattern: string, service: ServiceName])[] = [
  ['/api/*/mlflow/registered-models/**', 'registry'],
  ['/api/*/mlflow/model-versions/**', 'registry'],
  ['/ajax-api/*/mlflow/registered-models/**', 'registry'],
  ['/ajax-api/*/mlflow/model-versions/**', 'registry'],
  ['/api/*/mlflow/webhooks/**', 'registry'],
  ['/ajax-api/*/mlflow/webhooks/**', 'registry'],
  ['/api/*/mlflow/**', 'tracking'],
  ['/api/*/mlflow-artifacts/**', 'tracking'],
  ['/ajax-api/*/mlflow/**', 'tracking'],
  ['/ajax-api/*/mlflow-artifacts/**', 'tracking'],
  ['/model-versions/get-artifact', 'registry'],
  ['/v1/traces', 'tracking'],
  ['/graphql', 'tracking'],
  ['/get-artifact', 'tracking'],
  ['/health', 'tracking'],
  ['/version', 'tracking'],

  ['/get-online-features', 'features'],
  ['/push', 'features'],
  ['/write-to-online-store', 'features'],
  ['/materialize', 'features'],
  ['/materialize-incremental', 'features'],
  ['/api/v1/sources/**', 'features'],
  ['/api/v1/training-sets/**', 'features'],
  ['/api/v1/features/**', 'features'],
  ['/api/v1/feature-views/**', 'features'],
  ['/api/v1/feature-services/**', 'features'],

  ['/v2/**', 'inference'],
  ['/api/v1/deployments/**', 'inference'],
  ['/api/v1/serving/**', 'inference'],
  ['/api/v1/predictions/**', 'inference'],
  ['/api/v1/rollouts/**', 'inference'],
  ['/api/v1/batch-jobs/**', 'inference'],
  ['/api/v1/streams', 'inference'],
  ['/api/v1/streams/**', 'inference'],
  ['/api/v1/models/*/infer', 'inference'],

  ['/api/v1/experiments/**', 'experimentation'],
  ['/ofrep/**', 'experimentation'],

  ['/api/v1/runs/**', 'tracking'],
  ['/api/v1/models/**', 'registry'],
  ['/api/v1/promotions', 'registry'],
  ['/api/v1/audit', 'registry'],
  ['/api/v1/lineage/**', 'registry'],
  ['/api/v1/signing-keys/**', 'registry'],
  ['/api/v1/webhooks/**', 'registry'],
  // Every service takes commands on resources and can look at the log; one of them has to be asked.
  ['/api/v1/apply', 'registry'],
  ['/api/v1/resources/**', 'registry'],
  ['/api/v1/events/**', 'registry'],
  ['/api/v1/status', 'registry'],
  ['/api/v1/access/**', 'registry'],
];

/** The table's paths as routes have them, and the router's own: where no path prefix may be. */
export function ownPaths(): readonly string[] {
  const tables = TABLE.flatMap(([pattern]) => MLFLOW_VERSIONS.map((version) => pattern.replace('/*/', `/${version}/`).replace('**', '*')));
  return ['/healthz', '/readyz', '/metrics', OPENAPI_PATH, ...tables];
}

const COMPILED = TABLE.map(([pattern, service]) => ({ expression: compile(pattern), service }));

/** The service a path belongs to; `undefined` for a path nobody has. The query string is not looked at. */
export function serviceOf(url: string): ServiceName | undefined {
  const query = url.indexOf('?');
  // The services take several slashes as one.
  const path = (query < 0 ? url : url.slice(0, query)).replace(/\/{2,}/g, '/');
  return COMPILED.find(({ expression }) => expression.test(path))?.service;
}

function compile(pattern: string): RegExp {
  const isOpen = pattern.endsWith('/**');
  const fixed = isOpen ? pattern.slice(0, -'/**'.length) : pattern;
  const source = fixed
    .split('/')
    .map((segment) => (segment === '*' ? '[^/]+' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('/');
  return new RegExp(`^${source}${isOpen ? '(?:/.*)?' : '/?'}$`);
}
