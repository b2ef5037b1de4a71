import { markdownTable } from '../markdown-table.js';
import type { JsonSchema } from './body-schema.js';
import type { ContentDoc, RouteDoc } from './route-doc.js';

export type Fields = Readonly<Record<string, JsonSchema>>;

/** The schemas that `sharedSchemas` names, where the page of resources tells them. */
const RESOURCES: Readonly<Record<string, string>> = {
  AppliedResource: 'A [resource](resources.md) as it could be applied again, with `status.version` and `status.hash`.',
  ResourceList: '`resources`, each as it could be applied again with its `status`, and `nextPageToken` where there are more.',
};

export function tableOf(rows: readonly string[][]): string {
  return markdownTable(['field', 'type', 'what'], rows);
}

/** What a route answers: its statuses, content types and fields, and its own errors. */
export function answersOf(doc: RouteDoc | undefined): string[] {
  if (!doc) return [];
  const { answer = {}, statuses = { 200: 'Done.' }, otherwise = {}, errors = {} } = doc;
  const json = Object.entries(answer).find(([, schema]) => typeof schema === 'object')?.[1] as JsonSchema | undefined;
  const named = answer['application/json'];
  const isNamed = typeof named === 'string' && RESOURCES[named] !== undefined;
  const files = Object.entries(answer).flatMap(([type, schema]) =>
    typeof schema === 'string' && !(type === 'application/json') ? [type] : [],
  );
  const all = Object.entries({ ...statuses, ...otherwise });
  const isPlain = all.length === 1 && all[0]?.[0] === '200';
  const told = all.map(([status, what]) => `${status} (${clause(what)})`).join(', ');
  const begin = `Answers${isPlain ? '' : ` ${told}`}`;
  const also = files.length === 0 ? '' : ` ${json ? 'JSON, or ' : ''}\`${files.join('`, `')}\``;
  const parts: string[] = [];
  if (json && isShape(json)) parts.push(`${begin}${also}: [${json['title'] as string}](${anchorOf(json['title'] as string)}).`);
  else if (json) parts.push(...withAlternatives(`${begin}${also}:`, json));
  else if (isNamed) parts.push(`${begin}: ${RESOURCES[named] as string}`);
  else if (files.length > 0) parts.push(`${begin}${also}.`);
  else if (Object.keys(answer).length === 0 && doc.answer) parts.push(`${begin}, without a body.`);
  const own = Object.entries(errors).map(([status, what]) => `${status} ${clause(what)}`);
  if (own.length > 0) parts.push(`Errors: ${own.join('; ')}.`);
  return parts;
}

/** The schemas that several answers refer to by their titles, each once. */
export function shapesOf(docs: readonly (RouteDoc | undefined)[]): string[] {
  const shapes = new Map<string, JsonSchema>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== 'object' || value === null) return;
    const schema = value as JsonSchema;
    if (isShape(schema)) shapes.set(schema['title'] as string, schema);
    Object.values(schema).forEach(visit);
  };
  for (const doc of docs) visit(doc?.answer satisfies ContentDoc | undefined);
  return [...shapes]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([title, schema]) => [`### ${title}`, ...withAlternatives('', schema)]);
}

function withAlternatives(begin: string, schema: JsonSchema): string[] {
  const { oneOf, description } = schema as { oneOf?: JsonSchema[]; description?: string };
  if (oneOf)
    return [...(begin === '' ? [] : [begin]), ...oneOf.flatMap((one, index) => [...(index === 0 ? [] : ['or:']), tableOf(rowsOf(one))])];
  const rows = rowsOf(schema);
  return rows.length > 0 ? [...(begin === '' ? [] : [begin]), tableOf(rows)] : [`${begin} ${description ?? ''}`.trim()];
}

/** The rows of an object's fields, those of what is in them below them. */
function rowsOf({ properties = {}, required = [] }: { properties?: Fields; required?: readonly string[] }, path = ''): string[][] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const place = `${path}${name}`;
    const absent = required.includes(name) ? '' : '?';
    return [[`\`${place}\`${absent}`, typeOf(schema), aboutField(schema)], ...below(place, schema)];
  });
}

function below(place: string, schema: JsonSchema): string[][] {
  if (isShape(schema)) return [];
  const { items, properties, additionalProperties, oneOf, anyOf } = schema as Readonly<Record<string, JsonSchema | undefined>>;
  if (properties) return rowsOf(schema, `${place}.`);
  if (items) return below(`${place}[]`, items);
  if (typeof additionalProperties === 'object') return below(`${place}.*`, additionalProperties);
  return merged(((oneOf ?? anyOf ?? []) as unknown as JsonSchema[]).flatMap((one) => below(place, one)));
}

/** A field of several alternatives is told once. */
function merged(rows: readonly string[][]): string[][] {
  const found = new Map<string, [Set<string>, Set<string>]>();
  for (const [place = '', type = '', about = ''] of rows) {
    const [types, told] = found.get(place) ?? [new Set<string>(), new Set<string>()];
    found.set(place, [types.add(type), about === '' ? told : told.add(about)]);
  }
  return [...found].map(([place, [types, told]]) => [place, [...types].join(' or '), [...told].join(' Or: ')]);
}

function isShape({ title, type, oneOf }: JsonSchema): boolean {
  return typeof title === 'string' && (type !== undefined || oneOf !== undefined);
}

function anchorOf(title: string): string {
  return `#${title.toLowerCase()}`;
}

/** A sentence within another: without its full stop. */
function clause(sentence: string): string {
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1).replace(/\.$/, '')}`;
}

export function typeOf(schema: JsonSchema): string {
  const { title, type, items, enum: values, oneOf, anyOf, const: one } = schema;
  if (isShape(schema)) return `[${title as string}](${anchorOf(title as string)})`;
  if (one !== undefined) return `\`${typeof one === 'string' ? one : JSON.stringify(one)}\``;
  if (Array.isArray(values)) return values.map((value) => `\`${String(value)}\``).join(', ');
  const alternatives = oneOf ?? anyOf;
  if (Array.isArray(alternatives) && type === undefined) return [...new Set((alternatives as JsonSchema[]).map(typeOf))].join(' or ');
  if (type === 'array') return `list of ${typeOf((items ?? {}) as JsonSchema)}`;
  return [(type ?? 'any') as string | readonly string[]].flat().join(' or ');
}

export function aboutField({ description = '', default: usual }: JsonSchema): string {
  return `${description as string}${usual === undefined || usual === '' ? '' : ` \`${JSON.stringify(usual).replaceAll('"', '')}\` unless given.`}`.trim();
}
