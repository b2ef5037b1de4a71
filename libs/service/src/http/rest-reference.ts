import { markdownTable } from '../markdown-table.js';
import type { Route } from './http-server.js';
import { OPENAPI_PATH, templateOf } from './openapi.js';

/** The reference page of our own REST, as Markdown, from the routes of all services. Generated, and checked to be current by a test. */
export function restReference(routes: readonly Route[]): string {
  // A route for tests is there only where it is asked for.
  const ours = routes.filter(({ path }) => path.startsWith('/api/v1/') && !path.startsWith('/api/v1/testing/'));
  const parts = [
    '# REST',
    `Every route under \`/api/v1\`, and the lowest role that may call it where keys are asked for. \`GET ${OPENAPI_PATH}\` is the same as OpenAPI 3.1, with parameters, bodies, ` +
      'the schemas of resources, and the shape of errors: of the routes that the process has which is asked, so of all services in one process or behind the router, and of one ' +
      'service asked by itself. The router answers with 502 rather than without the routes of a service that it cannot reach. ' +
      'Bodies that have no schema yet are called JSON objects there; the how-tos say what is in them. An error is a problem (RFC 9457): `detail` says what is wrong, `code` is stable.',
  ];
  for (const tag of [...new Set(ours.map(({ doc }) => doc?.tag ?? 'common'))].sort()) {
    const rows = ours
      .filter(({ doc }) => (doc?.tag ?? 'common') === tag)
      .map(({ method, path, access, doc }) => ({ method, path: templateOf(path), access, summary: doc?.summary ?? '' }))
      .sort((one, other) => (`${one.path} ${one.method}` < `${other.path} ${other.method}` ? -1 : 1))
      .map(({ method, path, access, summary }) => [`\`${method} ${path}\``, summary, access]);
    parts.push(tag === 'common' ? '## Every process' : `## The ${tag} service`, markdownTable(['route', 'what', 'role'], rows));
  }
  return `${parts.join('\n\n')}\n`;
}
