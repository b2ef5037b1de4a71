import { markdownTable } from '../markdown-table.js';
import type { Route } from './http-server.js';
import { OPENAPI_PATH, templateOf } from './openapi.js';
import type { ContentDoc } from './route-doc.js';
import type { BodySchema, JsonSchema } from './body-schema.js';

/** The reference page of our own REST, as Markdown, from the routes of all services. Generated, and checked to be current by a test. */
export function restReference(routes: readonly Route[]): string {
  // A route for tests is there only where it is asked for.
  const ours = routes.filter(({ path }) => path.startsWith('/api/v1/') && !path.startsWith('/api/v1/testing/'));
  const parts = [
    '# REST',
    `Every route under \`/api/v1\`, and the lowest role that may call it where keys are asked for. \`GET ${OPENAPI_PATH}\` is the same as OpenAPI 3.1, with parameters, bodies, ` +
      'the schemas of resources, and the shape of errors: of the routes that the process has which is asked, so of all services in one process or behind the router, and of one ' +
      'service asked by itself. The router answers with 502 rather than without the routes of a service that it cannot reach. ' +
      'The fields of bodies stand below the routes that take them; what comes back is called a JSON object there unless it is a resource, and the how-tos show it. An error is a problem (RFC 9457): `detail` says what is wrong, `code` is stable.',
  ];
  for (const tag of [...new Set(ours.map(({ doc }) => doc?.tag ?? 'common'))].sort()) {
    const routesOfTag = ours
      .filter(({ doc }) => (doc?.tag ?? 'common') === tag)
      .map(({ method, path, access, doc }) => ({ method, path: templateOf(path), access, summary: doc?.summary ?? '', body: doc?.body }))
      .sort((one, other) => (`${one.path} ${one.method}` < `${other.path} ${other.method}` ? -1 : 1));
    const rows = routesOfTag.map(({ method, path, access, summary }) => [`\`${method} ${path}\``, summary, access]);
    parts.push(tag === 'common' ? '## Every process' : `## The ${tag} service`, markdownTable(['route', 'what', 'role'], rows));
    parts.push(...routesOfTag.flatMap(({ method, path, body }) => bodyOf(`${method} ${path}`, body)));
  }
  return `${parts.join('\n\n')}\n`;
}

/** The fields of a route's JSON body, where its schema is known and has some. */
function bodyOf(route: string, body: ContentDoc | undefined): string[] {
  const schema = body?.['application/json'];
  if (schema === undefined || typeof schema === 'string') return [];
  const isList = schema['type'] === 'array';
  const { properties, required } = (isList ? schema['items'] : schema) as BodySchema;
  const rows = Object.entries(properties).map(([field, one]) => [
    `\`${field}\`${required.includes(field) ? ', required' : ''}`,
    typeOf(one),
    aboutField(one),
  ]);
  return rows.length === 0 ? [] : [`### \`${route}\``, ...(isList ? ['A list of:'] : []), markdownTable(['field', 'type', 'what'], rows)];
}

function typeOf({ type, items, enum: values, oneOf }: JsonSchema): string {
  if (Array.isArray(values)) return values.map((value) => `\`${String(value)}\``).join(', ');
  if (Array.isArray(oneOf) && type === undefined) return [...new Set((oneOf as JsonSchema[]).map(typeOf))].join(' or ');
  if (type === 'array') return `list of ${typeOf((items ?? {}) as JsonSchema)}`;
  return [(type ?? 'string') as string | readonly string[]].flat().join(' or ');
}

function aboutField({ description = '', default: usual }: JsonSchema): string {
  return `${description as string}${usual === undefined || usual === '' ? '' : ` \`${JSON.stringify(usual).replaceAll('"', '')}\` unless given.`}`.trim();
}
