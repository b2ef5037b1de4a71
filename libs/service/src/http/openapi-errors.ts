import type { Route } from './http-server.js';
import { ref } from './openapi-schemas.js';

type Json = Readonly<Record<string, unknown>>;

export const PROBLEM_CONTENT: Json = { 'application/problem+json': { schema: ref('Problem') } };

const WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** Errors that follow from what a route takes and who may call it. */
const COMMON: Readonly<Record<number, { readonly name: string; readonly description: string }>> = {
  400: { name: 'Invalid', description: 'What was sent is not what the route takes; `detail` names the field or parameter.' },
  401: { name: 'Unauthenticated', description: 'Where keys are asked for: there is none, or it is not believed.' },
  403: { name: 'Forbidden', description: 'Where keys are asked for: the role is too low, or the key is of another workspace.' },
  413: { name: 'TooLarge', description: 'The body is larger than the process takes, or holds more items than a request may.' },
  503: {
    name: 'Unavailable',
    description: 'Too much is under way, or something needed is away; the header `retry-after` may say when to try again.',
  },
  504: {
    name: 'Late',
    description: 'What was asked for was not reached in time: the log, or a projection at the position that was named.',
  },
};

/** The errors that routes share, by the names they are referred to. */
export function errorResponses(): Json {
  return Object.fromEntries(Object.values(COMMON).map(({ name, description }) => [name, { description, content: PROBLEM_CONTENT }]));
}

/** Whether a route reads a body. */
export function takesBody({ method, doc }: Pick<Route, 'method' | 'doc'>): boolean {
  return WITH_BODY.has(method) && Object.keys(doc?.body ?? { 'application/json': 'object' }).length > 0;
}

/** The statuses of a route's common errors. */
function commonOf(route: Route): number[] {
  const { path, access, doc } = route;
  const isAsked = takesBody(route) || doc?.query !== undefined || path.includes(':') || path.includes('*');
  return [...(isAsked ? [400] : []), ...(access === 'open' ? [] : [401, 403]), ...(takesBody(route) ? [413] : []), 503, 504];
}

/** Every error of a route whose form is a problem: its own and the common ones. One that writes MLflow's form has them in `default`. */
export function errorsOf(route: Route): Json {
  const { doc } = route;
  if (doc?.hasMlflowErrors) return {};
  const own = Object.entries(doc?.errors ?? {}).map(([status, description]) => [status, { description, content: PROBLEM_CONTENT }]);
  const common = commonOf(route).map((status) => [status, { $ref: `#/components/responses/${COMMON[status]?.name}` }]);
  return Object.fromEntries([...common, ...own]) as Json;
}
