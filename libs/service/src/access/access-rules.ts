import type { AccessRule } from './identity.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route; without it the table of `access-rules.ts` says. */
    access?: AccessRule;
    /** Origins of other sites whose pages may use a route that changes something; none without it. */
    origins?: ReadonlySet<string>;
  }
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What probes ask: they have no credentials, and the answers say nothing of anybody's data. */
const OPEN = new Set(['/healthz', '/readyz', '/health', '/version', '/v2/health/live', '/v2/health/ready']);

const TABLE: readonly (readonly [path: RegExp, rule: AccessRule])[] = [
  [/^\/api\/v1\/access\/whoami$/, 'anyone'],
  [/^\/api\/v1\/(access|testing)(\/|$)/, 'admin'],
  // Under ids, times and stages of their own, past what rules people have set.
  [/\/mlflow\/(experiments|runs|logged-models|registered-models|model-versions)\/import(-[a-z]+)?$/, 'admin'],
];

/** Questions that are asked with POST because they do not fit in a URL. */
const QUESTIONS: readonly RegExp[] = [
  /\/[a-z-]*search[a-z-]*$/,
  /^\/get-online-features$/,
  /^\/v2\/models\/.*\/infer$/,
  /^\/v2\/repository\/index$/,
  /^\/api\/v1\/deployments\/[^/]+\/invocations$/,
  /^\/api\/v1\/models\/[^/]+\/infer$/,
  /^\/ofrep\//,
  /^\/(ajax-api\/\d\.\d\/mlflow\/)?graphql$/,
];

/**
 * Who may call a route that does not say so itself: reading is a viewer's, everything else an editor's. Looked up once, when the
 * route is registered; `path` is the route's pattern.
 */
export function accessRuleOf(method: string, path: string, options: { readonly metrics: AccessRule }): AccessRule {
  if (OPEN.has(path)) return 'open';
  if (path === '/metrics') return options.metrics;
  const listed = TABLE.find(([pattern]) => pattern.test(path));
  if (listed) return listed[1];
  return SAFE_METHODS.has(method) || QUESTIONS.some((pattern) => pattern.test(path)) ? 'viewer' : 'editor';
}

/** Whether a request of this method changes nothing. */
export function isSafeMethod(method: string): boolean {
  return SAFE_METHODS.has(method);
}
