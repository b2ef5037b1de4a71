import { KINDS } from '@millrace/resources';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

type Json = Readonly<Record<string, unknown>>;

interface Described {
  readonly description?: string;
  readonly content?: Readonly<Record<string, { readonly schema: Json }>>;
}

interface Operation {
  readonly responses: Readonly<Record<string, Described>>;
}

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;
/** What a resource is, is closed by the schemas of its kinds; `AppliedResource` adds a field to each of them. */
const RESOURCES = new Set(['Metadata', 'Resource', 'Resources', 'AppliedResource', ...KINDS, ...KINDS.map((kind) => `${kind}Spec`)]);

/** Holds real answers to what the document says of them: a status, a field or a value that is not in it is a fault. */
export class DescribedAnswers {
  readonly faults: string[] = [];
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();
  /** Route -> its fields that are lists -> whether one of them had something in it. */
  readonly #lists = new Map<string, Map<string, boolean>>();
  readonly #last = new Map<string, string>();
  readonly #document: Document;

  constructor(document: Document) {
    formats.default(this.#ajv);
    const { schemas } = document.components;
    const closed = Object.entries(schemas).map(([name, schema]) => [name, RESOURCES.has(name) ? schema : close(schema)]);
    this.#document = { ...document, components: { schemas: Object.fromEntries(closed) as Record<string, Json> } };
    this.#ajv.addSchema({ $id: 'document', components: this.#document.components });
  }

  /** Routes whose answer is JSON. */
  json(): string[] {
    return this.#operations().flatMap(([route, { responses }]) =>
      Object.entries(responses).some(
        ([status, { content }]) => status.startsWith('2') && content && Object.keys(content).some((type) => JSON_TYPE.test(type)),
      )
        ? [route]
        : [],
    );
  }

  /** Routes that say no more of their answer than that it is an object, or whose answer has a field that nothing is said of. */
  untold(): string[] {
    const isTold = (schema: Json): boolean =>
      ['$ref', 'properties', 'oneOf', 'anyOf', 'additionalProperties', 'description'].some((key) => key in schema);
    return this.#operations().flatMap(([route, { responses }]) =>
      Object.entries(responses).flatMap(([status, { content = {} }]) =>
        Object.entries(content)
          .filter(([type, { schema }]) => JSON_TYPE.test(type) && !isTold(schema))
          .map(([type]) => `${route} ${status} ${type}`),
      ),
    );
  }

  /** Takes note of an answer of a route, `get /api/v1/runs/{id}`. */
  take(method: string, path: string, status: number, contentType: string, text: string): void {
    const route = this.#routeOf(method, path);
    if (route === undefined) return void this.faults.push(`${method} ${path} is not described`);
    const [name, { responses }] = route;
    this.#last.set(name, `${status} ${text.slice(0, 300)}`);
    const response = responses[String(status)];
    if (!response) return void this.faults.push(`${name} answers ${status}, which is not described: ${text.slice(0, 300)}`);
    const type = contentType.split(';')[0]?.trim() ?? '';
    if (status >= 400 && type === 'application/problem+json') return this.#check(name, '#/components/schemas/Problem', JSON.parse(text));
    const content = response.content ?? {};
    if (text !== '' && !content[type] && !content['*/*']) return void this.faults.push(`${name} answers ${type}, which is not described`);
    if (!JSON_TYPE.test(type) || !content[type]) return;
    const value = JSON.parse(text) as unknown;
    this.#check(name, content[type].schema, value);
    if (status >= 300 || typeof value !== 'object' || value === null) return;
    const lists = this.#lists.get(name) ?? new Map<string, boolean>();
    this.#lists.set(name, lists);
    for (const [field, one] of Object.entries(value)) {
      if (Array.isArray(one)) lists.set(field, one.length > 0 || (lists.get(field) ?? false));
    }
  }

  /** JSON routes that were not asked, and those of whose lists none had anything in it, with what they answered last. */
  unseen(): Record<string, string> {
    const routes = this.json().filter((route) => {
      const lists = this.#lists.get(route);
      return lists === undefined || (lists.size > 0 && ![...lists.values()].includes(true));
    });
    return Object.fromEntries(routes.map((route) => [route, this.#last.get(route) ?? 'not asked']));
  }

  #check(route: string, schema: Json | string, value: unknown): void {
    const given = typeof schema === 'string' ? { $ref: `document${schema}` } : referring(close(schema));
    const key = JSON.stringify(given);
    const validate = this.#validators.get(key) ?? this.#ajv.compile(given as Json);
    this.#validators.set(key, validate);
    if (validate(value)) return;
    const told = (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
    );
    this.faults.push(`${route}: ${told.slice(0, 6).join('; ')} in ${JSON.stringify(value).slice(0, 600)}`);
  }

  #routeOf(method: string, path: string): [string, Operation] | undefined {
    const [plain = ''] = path.split('?');
    const matches = this.#operations().filter(([route]) => {
      const [verb, template = ''] = route.split(' ');
      const pattern = template.replace(/\{path\}/g, '.+').replace(/\{[^}]+\}/g, '[^/]+');
      return verb === method.toLowerCase() && new RegExp(`^${pattern}$`).test(plain);
    });
    // `/runs/compare` before `/runs/{id}`.
    return matches.sort(([one], [other]) => one.split('{').length - other.split('{').length)[0];
  }

  #operations(): [string, Operation][] {
    return Object.entries(this.#document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method} ${path}`, operation]),
    );
  }
}

/** The schema with no fields but those that it names. */
function close(schema: Json): Json {
  const inner = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, key === 'const' || key === 'enum' ? value : closeAll(value)]),
  );
  return 'properties' in schema && !('additionalProperties' in schema) ? { ...inner, additionalProperties: false } : inner;
}

function closeAll(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closeAll);
  return typeof value === 'object' && value !== null ? close(value as Json) : value;
}

function referring(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(referring);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, key === '$ref' && typeof one === 'string' ? `document${one}` : referring(one)]),
  );
}
