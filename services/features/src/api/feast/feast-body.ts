import { parseShallowJson } from '@millrace/kernel';

/** One entry of FastAPI's 422 body. */
export interface ValidationDetail {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: unknown;
  readonly ctx?: { readonly error: string };
}

export type Fields = Readonly<Record<string, unknown>>;

/**
 * A request's body, which every endpoint of Feast's wants to be an object. Whole numbers that a double does not hold are read as
 * bigints.
 */
export function parseBody(body: unknown): { readonly fields: Fields } | { readonly detail: readonly ValidationDetail[] } {
  if (!Buffer.isBuffer(body) || body.length === 0) {
    return { detail: [{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }] };
  }
  const text = body.toString('utf8');
  let json: unknown;
  try {
    json = parseShallowJson(text);
  } catch (error) {
    const ctx = { error: error instanceof Error ? error.message : String(error) };
    const position = Number(/at position (\d+)/.exec(ctx.error)?.[1] ?? text.length);
    return { detail: [{ type: 'json_invalid', loc: ['body', position], msg: 'JSON decode error', input: {}, ctx }] };
  }
  if (isObject(json)) return { fields: json };
  const msg = 'Input should be a valid dictionary or object to extract fields from';
  return { detail: [{ type: 'model_attributes_type', loc: ['body'], msg, input: json }] };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const TRUE = new Set<unknown>([true, 1, '1', 'true', 'yes', 'on', 't', 'y']);
const FALSE = new Set<unknown>([false, 0, '0', 'false', 'no', 'off', 'f', 'n']);

/** Reads fields as FastAPI does and gathers what it would say of them; what it has read is good only while {@link detail} is empty. */
export class FieldReader {
  readonly detail: ValidationDetail[] = [];

  constructor(
    private readonly fields: Fields,
    private readonly where = 'body',
  ) {}

  say(type: string, path: string | readonly (string | number)[], msg: string, input: unknown): void {
    this.detail.push({ type, loc: [this.where, ...(typeof path === 'string' ? [path] : path)], msg, input });
  }

  /** Absent fields have the default; without one they are missing. */
  text(name: string, fallback?: string): string {
    return this.#read(
      name,
      fallback,
      (value) => (typeof value === 'string' ? value : undefined),
      'string_type',
      'Input should be a valid string',
    );
  }

  textOrNull(name: string): string | undefined {
    return this.fields[name] === undefined || this.fields[name] === null ? undefined : this.text(name, '');
  }

  flag(name: string, fallback: boolean): boolean {
    const read = (value: unknown): boolean | undefined => {
      const given = typeof value === 'string' ? value.toLowerCase() : value;
      return TRUE.has(given) ? true : FALSE.has(given) ? false : undefined;
    };
    return this.#read(name, fallback, read, 'bool_parsing', 'Input should be a valid boolean, unable to interpret input');
  }

  object(name: string): Record<string, unknown> {
    return this.#read(name, undefined, (value) => (isObject(value) ? value : undefined), 'dict_type', 'Input should be a valid dictionary');
  }

  texts(name: string, { nullable }: { readonly nullable: boolean }): readonly string[] | undefined {
    const value = this.fields[name];
    if (value === undefined || (nullable && value === null)) return undefined;
    if (!Array.isArray(value)) {
      this.say('list_type', name, 'Input should be a valid list', value);
      return undefined;
    }
    value.forEach((item, index) => {
      if (typeof item !== 'string') this.say('string_type', [name, index], 'Input should be a valid string', item);
    });
    return value as string[];
  }

  /** Columns of one table, each a list. */
  columns(name: string): Readonly<Record<string, readonly unknown[]>> {
    const columns = this.object(name);
    for (const key in columns) {
      if (!Array.isArray(columns[key])) this.say('list_type', [name, key], 'Input should be a valid list', columns[key]);
    }
    return columns as Record<string, unknown[]>;
  }

  #read<T>(name: string, fallback: T | undefined, read: (value: unknown) => T | undefined, type: string, msg: string): T {
    const value = this.fields[name];
    if (value === undefined && fallback !== undefined) return fallback;
    if (value === undefined) this.say('missing', name, 'Field required', this.fields);
    else {
      const found = read(value);
      if (found !== undefined) return found;
      this.say(type, name, msg, value);
    }
    return fallback as T;
  }
}
