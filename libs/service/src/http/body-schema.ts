/** JSON Schema 2020-12, as OpenAPI 3.1 takes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A JSON object by its fields; what else a schema may say goes into `rest`. */
export interface BodySchema<F extends string = string> extends JsonSchema {
  readonly type: 'object';
  readonly properties: Readonly<Record<F, JsonSchema>>;
  readonly required: readonly string[];
  readonly additionalProperties: boolean;
}

export interface BodyRules<F extends string> {
  readonly required?: readonly NoInfer<F>[];
  /** Fields that are not named are passed over; otherwise they are refused. */
  readonly open?: true;
  /** Bodies that are taken; a test sends them. */
  readonly examples: readonly object[];
  /** Rules between fields. */
  readonly rest?: JsonSchema;
}

/** A JSON object as a route takes it: what its parser refuses is not in it. */
export function bodySchema<F extends string>(properties: Readonly<Record<F, JsonSchema>>, rules: BodyRules<F>): BodySchema<F> {
  const { required = [], open, examples, rest } = rules;
  return { type: 'object', properties, required, additionalProperties: open === true, ...rest, examples };
}

/** The names of a body's fields, for the parser that refuses all others. */
export function fieldsOf<F extends string>({ properties }: BodySchema<F>): readonly F[] {
  return Object.keys(properties) as F[];
}

export const textField = (description: string, more: JsonSchema = {}): JsonSchema => ({ type: 'string', description, ...more });

export const listField = (description: string, items: JsonSchema = { type: 'string' }, more: JsonSchema = {}): JsonSchema => ({
  ...{ type: 'array', items, description },
  ...more,
});

/** RFC 3339 text or milliseconds since the epoch. */
export const timeField = (description: string): JsonSchema => ({
  type: ['string', 'integer'],
  description: `${description} RFC 3339, or milliseconds.`,
});
