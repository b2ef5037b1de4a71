import type { JsonSchema } from './body-schema.js';
import type { ContentDoc } from './route-doc.js';

/** The names of T's fields, those that may be absent with `?` behind them. */
type FieldName<T> = { [K in keyof T & string]-?: Partial<Pick<T, K>> extends Pick<T, K> ? `${K}?` : K }[keyof T & string];

/** The schema of each field of T: the compiler refuses a field too few or too many, and one that may be absent and is not said to be. */
export type FieldsOf<T> = string extends keyof T ? Readonly<Record<string, JsonSchema>> : Readonly<Record<FieldName<T>, JsonSchema>>;

/**
 * A JSON object of an answer. `name?` is a field that may be absent. Further fields may come with later releases, so nothing is said of them;
 * the test of the document refuses them in real answers.
 */
export function objectOf<T extends object = Record<string, unknown>>(fields: FieldsOf<T>, more: JsonSchema = {}): JsonSchema {
  const given = Object.entries(fields as Readonly<Record<string, JsonSchema>>);
  return {
    type: 'object',
    properties: Object.fromEntries(given.map(([name, schema]) => [name.replace(/\?$/, ''), schema])),
    required: given.map(([name]) => name).filter((name) => !name.endsWith('?')),
    ...more,
  };
}

/** A schema with a name of its own in the document, which every other that holds it refers to. */
export function namedSchema(title: string, schema: JsonSchema): JsonSchema {
  return { title, ...schema };
}

/** The same, or `null`. */
export function orNull(schema: JsonSchema): JsonSchema {
  const { type, enum: values, title } = schema;
  if (title !== undefined || type === undefined) return { anyOf: [schema, { type: 'null' }] };
  return { ...schema, type: [type, 'null'].flat(), ...(Array.isArray(values) ? { enum: [...(values as unknown[]), null] } : {}) };
}

export const momentField = (description: string): JsonSchema => ({ type: 'string', format: 'date-time', description });

export const countField = (description: string): JsonSchema => ({ type: 'integer', minimum: 0, description });

export const numberField = (description: string): JsonSchema => ({ type: 'number', description });

export const flagField = (description: string): JsonSchema => ({ type: 'boolean', description });

export const enumField = (description: string, values: readonly string[]): JsonSchema => ({ type: 'string', enum: values, description });

/** An object whose names are data. */
export const mapField = (description: string, values: JsonSchema): JsonSchema => ({
  ...{ type: 'object', additionalProperties: values, description },
});

/** Any JSON, which the description tells more of. */
export const anyField = (description: string): JsonSchema => ({ description });

/** A double as JSON has it, or the text of one that JSON has no number for. */
export const doubleField = (description: string): JsonSchema => ({
  anyOf: [{ type: 'number' }, { enum: ['NaN', 'Infinity', '-Infinity'] }],
  description: `${description} \`NaN\`, \`Infinity\` and \`-Infinity\` are texts.`,
});

export const NEXT_PAGE = {
  'nextPageToken?': { type: 'string', description: 'Of the next page, as `pageToken`; absent on the last.' } as JsonSchema,
} as const;

/** An answer of JSON. */
export const jsonOf = (schema: JsonSchema): ContentDoc => ({ 'application/json': schema });
