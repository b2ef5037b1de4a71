import type { FastifyInstance } from 'fastify';
import type { AccessRule } from '../access/identity.js';
import type { Route } from './http-server.js';
import { errorResponses, errorsOf, PROBLEM_CONTENT, takesBody } from './openapi-errors.js';
import { basePathOf } from './path-prefix.js';
import { ref, sharedSchemas } from './openapi-schemas.js';
import { jsonOf, objectOf } from './answer-schema.js';
import { commonDoc, type ContentDoc, type QueryParameter } from './route-doc.js';

export const OPENAPI_PATH = '/api/v1/openapi.json';

type Json = Readonly<Record<string, unknown>>;

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: Json;
  readonly servers: readonly Json[];
  readonly tags: readonly { readonly name: string; readonly description?: string }[];
  /** Path -> method -> operation. */
  readonly paths: Readonly<Record<string, Json>>;
  readonly components: Json;
}

const ABOUT = [
  "Millrace's own REST. The paths of MLflow, Feast and the Open Inference Protocol are described by those projects.",
  "Where keys are asked for, each operation's security requirement names the lowest role that may call it.",
  'Commands take the header `Idempotency-Key` and answer `millrace-position`; a query with that position as `at-least` sees what the command did.',
].join('\n\n');

/** `GET /api/v1/openapi.json`: what this process answers under `/api/v1`, from the routes that are registered. */
export function openApiRoutes(server: FastifyInstance, routes: readonly Route[]): void {
  let document: OpenApiDocument | undefined;
  let text: string | undefined;
  const describing = commonDoc('This document: every route under /api/v1, as OpenAPI 3.1.', { answer: jsonOf(DOCUMENT) });
  server.get(OPENAPI_PATH, describing, ({ headers }, reply) => {
    // No route is registered once the process listens.
    document ??= openApiDocument(routes);
    const base = basePathOf(headers);
    const answer = base === '' ? (text ??= JSON.stringify(document)) : JSON.stringify(servedBelow(document, base));
    return reply.header('content-type', 'application/json; charset=utf-8').send(answer);
  });
}

const PART = { type: 'object' };
const DOCUMENT = objectOf<OpenApiDocument>(
  {
    openapi: { const: '3.1.0' },
    info: PART,
    servers: { type: 'array', items: PART },
    tags: { type: 'array', items: PART },
    paths: { ...PART, description: 'Operations by path and method.' },
    components: { ...PART, description: 'Schemas, errors and ways to say who one is, which operations refer to.' },
  },
  { description: 'OpenAPI 3.1.' },
);

/** `document` for a client that sees the server below `base`, which is a path such as `/millrace` or empty. */
export function servedBelow(document: OpenApiDocument, base: string): OpenApiDocument {
  return { ...document, servers: [{ url: base === '' ? '/' : base }] };
}

/** The document of `routes`: those of our own REST, and those that say what they do. */
export function openApiDocument(routes: readonly Route[]): OpenApiDocument {
  const ours = routes.filter(({ path, doc }) => path.startsWith('/api/v1/') || doc !== undefined);
  const paths: Record<string, Record<string, unknown>> = {};
  const named: Record<string, Json> = {};
  for (const route of ours) {
    const operations = (paths[templateOf(route.path)] ??= {});
    operations[route.method.toLowerCase()] = withReferences(operation(route), named);
  }
  const tags = [...new Set(ours.flatMap(({ doc }) => doc?.tag ?? []))].sort();
  return {
    openapi: '3.1.0',
    info: { title: 'Millrace', version: 'v1', description: ABOUT, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/' }],
    tags: tags.map((name) => (name === 'common' ? { name, description: 'The same in every service.' } : { name })),
    paths: Object.fromEntries(Object.entries(paths).sort(([one], [other]) => (one < other ? -1 : 1))),
    components: {
      schemas: { ...sharedSchemas(), ...named },
      responses: {
        ...errorResponses(),
        Problem: { description: 'Refused or failed; `code` says why.', content: PROBLEM_CONTENT },
        MlflowError: {
          description: 'Refused or failed, as MLflow’s server writes it; a problem where too much is asked at once.',
          content: { 'application/json': { schema: ref('MlflowError') }, ...PROBLEM_CONTENT },
        },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key, or a token of the OIDC issuer.' },
        basic: { type: 'http', scheme: 'basic', description: 'The same as the password; the user name is not looked at.' },
      },
    },
  };
}

/** A schema with a title is told once, among the components, and referred to by it. */
function withReferences<T>(value: T, named: Record<string, Json>): T {
  if (Array.isArray(value)) return value.map((one: unknown) => withReferences(one, named)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const { title, ...rest } = value as Json;
  const inner = Object.fromEntries(
    Object.entries(typeof title === 'string' ? rest : value).map(([key, one]) => [key, withReferences(one, named)]),
  );
  if (typeof title !== 'string') return inner as T;
  const known = named[title];
  if (known && JSON.stringify(known) !== JSON.stringify(inner)) throw new TypeError(`there are two schemas called ${title}`);
  named[title] = inner;
  return ref(title) as T;
}

const JSON_OBJECT: ContentDoc = { 'application/json': 'object' };

function operation({ method, path, access, doc }: Route): Json {
  const parameters = [...pathParameters(path), ...Object.entries(doc?.query ?? {}).map(queryParameter)];
  const body = content(doc?.body ?? JSON_OBJECT);
  const description = [doc?.description, roleSentence(access)].filter((sentence) => sentence !== undefined).join(' ');
  return {
    operationId: operationId(method, path),
    ...(doc ? { tags: [doc.tag], summary: doc.summary } : {}),
    ...(description === '' ? {} : { description }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(takesBody({ method, doc }) ? { requestBody: { content: body } } : {}),
    responses: responses({ method, path, access, doc }),
    security: security(access),
  };
}

function responses(route: Route): Json {
  const { doc } = route;
  const answer = content(doc?.answer ?? JSON_OBJECT);
  const withAnswer = ([status, description]: [string, string]): [string, Json] => [
    status,
    { description, ...(Object.keys(answer).length > 0 ? { content: answer } : {}) },
  ];
  return {
    ...Object.fromEntries(Object.entries(doc?.statuses ?? { 200: 'Done.' }).map(withAnswer)),
    ...errorsOf(route),
    ...Object.fromEntries(Object.entries(doc?.otherwise ?? {}).map(withAnswer)),
    default: { $ref: `#/components/responses/${doc?.hasMlflowErrors ? 'MlflowError' : 'Problem'}` },
  };
}

/** `:name` as OpenAPI writes it; what a wildcard takes is called `path`. */
export function templateOf(path: string): string {
  return path.replace(/:([A-Za-z0-9_]+)/g, '{$1}').replace(/\*$/, '{path}');
}

function pathParameters(path: string): Json[] {
  return [...templateOf(path).matchAll(/\{([^}]+)\}/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
    ...(name === 'path' && path.endsWith('*') ? { description: 'May have slashes, which stay as they are.' } : {}),
  }));
}

function queryParameter([name, given]: [string, string | QueryParameter]): Json {
  const {
    description,
    type = 'string',
    enum: values,
    required,
  } = typeof given === 'string' ? ({ description: given } as QueryParameter) : given;
  return { name, in: 'query', ...(required ? { required } : {}), description, schema: { type, ...(values ? { enum: values } : {}) } };
}

function content(doc: ContentDoc): Record<string, Json> {
  return Object.fromEntries(Object.entries(doc).map(([media, shape]) => [media, { schema: schemaOf(shape) }]));
}

function schemaOf(shape: ContentDoc[string]): Json {
  if (typeof shape !== 'string') return shape;
  switch (shape) {
    case 'object':
    case 'array':
      return { type: shape };
    case 'text':
      return { type: 'string' };
    case 'bytes':
      return { type: 'string', format: 'binary' };
    default:
      return ref(shape);
  }
}

/** `GET /api/v1/models/:name/history` as `getModelsByNameHistory`: the same as long as the path is. */
function operationId(method: string, path: string): string {
  const words = templateOf(path)
    .replace(/^\/api\/v1\//, '')
    .replace(/\{/g, 'by-')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return [method.toLowerCase(), ...words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)].join('');
}

function roleSentence(access: AccessRule): string | undefined {
  if (access === 'open') return undefined;
  return access === 'anyone' ? 'For everybody with credentials.' : `Takes the role ${access}, or a higher one.`;
}

/** Where no scopes are, OpenAPI has the roles that are asked for. */
function security(access: AccessRule): Json[] {
  if (access === 'open') return [];
  const roles = access === 'anyone' ? [] : [access];
  return [{ bearer: roles }, { basic: roles }];
}
