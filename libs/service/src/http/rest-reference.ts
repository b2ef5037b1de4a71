import { markdownTable } from '../markdown-table.js';
import type { Route } from './http-server.js';
import { OPENAPI_PATH, templateOf } from './openapi.js';
import type { ContentDoc } from './route-doc.js';
import { aboutField, answersOf, shapesOf, tableOf, typeOf, type Fields } from './rest-reference-answers.js';

/** The reference page of our own REST, as Markdown, from the routes of all services. Generated, and checked to be current by a test. */
export function restReference(routes: readonly Route[]): string {
  // A route for tests is there only where it is asked for.
  const ours = routes.filter(({ path }) => path.startsWith('/api/v1/') && !path.startsWith('/api/v1/testing/'));
  const parts = [
    '# REST',
    `Every route under \`/api/v1\`, and the lowest role that may call it where keys are asked for. \`GET ${OPENAPI_PATH}\` is the same as OpenAPI 3.1, with parameters, bodies, ` +
      'the schemas of resources, and the shape of errors: of the routes that the process has which is asked, so of all services in one process or behind the router, and of one ' +
      'service asked by itself. The router answers with 502 rather than without the routes of a service that it cannot reach. ' +
      'The fields of bodies and answers stand below their routes; `[]` is each item of a list, `*` each name of an object whose names are data, and `?` a field that may be absent. ' +
      'What several routes answer with stands once, [at the end](#what-answers-share). Times are RFC 3339 unless it is said otherwise.',
    'An error is a problem (RFC 9457): `detail` says what is wrong, `code` is stable. Beside the errors below, a route answers 400 where a parameter or the body is not what it takes, ' +
      '401 and 403 where keys are asked for, 413 to a body that is too large, and 503 or 504 where too much is under way, something needed is away or slow: the header `retry-after` may say when to try again.',
  ];
  for (const tag of [...new Set(ours.map(({ doc }) => doc?.tag ?? 'common'))].sort()) {
    const routesOfTag = ours
      .filter(({ doc }) => (doc?.tag ?? 'common') === tag)
      .map(({ method, path, access, doc }) => ({ method, path: templateOf(path), access, summary: doc?.summary ?? '', doc }))
      .sort((one, other) => (`${one.path} ${one.method}` < `${other.path} ${other.method}` ? -1 : 1));
    const rows = routesOfTag.map(({ method, path, access, summary }) => [`\`${method} ${path}\``, summary, access]);
    parts.push(tag === 'common' ? '## Every process' : `## The ${tag} service`, markdownTable(['route', 'what', 'role'], rows));
    for (const { method, path, doc } of routesOfTag) {
      const about = [...bodyOf(doc?.body), ...answersOf(doc)];
      if (about.length > 0) parts.push(`### \`${method} ${path}\``, ...about);
    }
  }
  parts.push('## What answers share', ...shapesOf(ours.map(({ doc }) => doc)));
  return `${parts.join('\n\n')}\n`;
}

/** The fields of a route's JSON body, where its schema is known and has some. */
function bodyOf(body: ContentDoc | undefined): string[] {
  const schema = body?.['application/json'];
  if (schema === undefined || typeof schema === 'string') return [];
  const isList = schema['type'] === 'array';
  const { properties = {}, required = [] } = (isList ? schema['items'] : schema) as { properties?: Fields; required?: string[] };
  const rows = Object.entries(properties).map(([field, one]) => [
    `\`${field}\`${required.includes(field) ? ', required' : ''}`,
    typeOf(one),
    aboutField(one),
  ]);
  return rows.length === 0 ? [] : [isList ? 'Takes a list of:' : 'Takes:', tableOf(rows)];
}
