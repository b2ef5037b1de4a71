import { invalid } from './mlflow-error.js';

const SEE_DOCS = 'See the API docs for more information about request parameters.';
const LARGEST_INT64 = 2n ** 63n - 1n;

/** What one request carries, by field name: the JSON body, or the query of a GET. */
export type FieldValues = Readonly<Record<string, unknown>>;

/**
 * Reads a request's fields the way protobuf's JSON mapping does (a 64-bit integer may be text, `null` is absent) and answers a wrong
 * one in MLflow's words.
 */
export class Fields {
  /** `source`: the request's text, where it is at hand. */
  constructor(
    readonly values: FieldValues,
    readonly source?: string,
  ) {}

  has(name: string): boolean {
    return this.#value(name) !== undefined;
  }

  /** Text, or `undefined` when absent. */
  string(name: string): string | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw wrongValue(name, value, this.source);
    return value;
  }

  requiredString(name: string): string {
    const value = this.string(name);
    if (value === undefined || value === '') throw missing(name);
    return value;
  }

  /** A whole number that a double holds exactly, given as a number or as text. */
  integer(name: string): number | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? toInteger(value.trim()) : value;
    if (typeof number !== 'number' || !Number.isInteger(number)) throw wrongValue(name, value);
    if (!Number.isSafeInteger(number)) throw invalid(`Invalid value ${shown(value)} for parameter '${name}' supplied: it is beyond 2^53.`);
    return number;
  }

  requiredInteger(name: string): number {
    const value = this.integer(name);
    if (value === undefined) throw missing(name);
    return value;
  }

  /** A double; `"NaN"`, `"Infinity"` and `"-Infinity"` are text on the wire. */
  requiredDouble(name: string): number {
    const value = this.#value(name);
    if (value === undefined) throw missing(name);
    if (typeof value === 'number') return value;
    if (typeof value === 'string') {
      const number = doubleOf(value.trim());
      if (number !== undefined) return number;
    }
    throw wrongValue(name, value);
  }

  boolean(name: string): boolean {
    const value = this.#value(name);
    if (value === undefined) return false;
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    throw wrongValue(name, value);
  }

  /** A repeated field of text; one value in a query stands for a list of one. */
  strings(name: string): readonly string[] {
    return this.#list(name).map((item) => {
      if (typeof item !== 'string') throw wrongValue(name, this.values[name]);
      return item;
    });
  }

  /** A repeated field of messages. */
  messages(name: string): readonly Fields[] {
    return this.#list(name).map((item) => {
      if (typeof item !== 'object' || item === null || Array.isArray(item)) throw wrongValue(name, this.values[name]);
      return new Fields(item as FieldValues);
    });
  }

  /** A nested message. */
  message(name: string): Fields | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || Array.isArray(value)) throw wrongValue(name, value);
    return new Fields(value as FieldValues);
  }

  /** Refuses the value of `name`. */
  wrong(name: string): Error {
    return wrongValue(name, this.values[name], this.source);
  }

  /** Refuses the request for want of `name`. */
  missing(name: string): Error {
    return missing(name);
  }

  #list(name: string): readonly unknown[] {
    const value = this.#value(name) ?? this.#value(`${name}[]`);
    if (value === undefined) return [];
    if (Array.isArray(value)) return value as unknown[];
    if (typeof value === 'string' && this.fromQuery) return [value];
    throw wrongValue(name, value);
  }

  #value(name: string): NonNullable<unknown> | undefined {
    const value = this.values[name];
    return value === null || value === undefined ? undefined : value;
  }

  /** Fields of a query hold one value and a list of one value alike. */
  get fromQuery(): boolean {
    return false;
  }
}

/** {@link Fields} of a query string. */
export class QueryFields extends Fields {
  override get fromQuery(): boolean {
    return true;
  }
}

/** A double as MLflow's JSON writes it: what JSON has no number for is text. */
export function jsonDouble(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

const NAMED_DOUBLES: Readonly<Record<string, number>> = {
  nan: NaN,
  inf: Infinity,
  '+inf': Infinity,
  infinity: Infinity,
  '+infinity': Infinity,
  '-inf': -Infinity,
  '-infinity': -Infinity,
};

function doubleOf(text: string): number | undefined {
  const named = NAMED_DOUBLES[text.toLowerCase()];
  if (named !== undefined) return named;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** NaN for what no 64-bit integer holds, so that the caller refuses it. */
function toInteger(text: string): number {
  const exact = BigInt(text);
  return exact > LARGEST_INT64 || exact < -LARGEST_INT64 - 1n ? NaN : Number(exact);
}

function missing(name: string): Error {
  return invalid(`Missing value for required parameter '${name}'. ${SEE_DOCS}`);
}

function wrongValue(name: string, value: unknown, source?: string): Error {
  const written = typeof value === 'number' && source !== undefined ? numberAsWritten(name, source) : undefined;
  const type = written !== undefined && /[.eE]/.test(written) ? 'float' : typeName(value);
  const refusal = (as: string) => `Invalid value ${as} for parameter '${name}' supplied`;
  // MLflow 3 shows text in quotes and 2 does not; people and scripts look for either.
  const said =
    typeof value === 'string'
      ? `${refusal(JSON.stringify(shown(value)))} (as MLflow 2 says it: ${refusal(shown(value))}).`
      : `${refusal(written ?? shown(value))}.`;
  return invalid(`${said} Hint: Value was of type '${type}'. ${SEE_DOCS}`);
}

/** A number the way the client wrote it: 9.0 is not 9 to who looks for the mistake. */
function numberAsWritten(name: string, source: string): string | undefined {
  let written: string | undefined;
  try {
    JSON.parse(source, ((key: string, value: unknown, context?: { source?: string }) => {
      if (key === name && typeof value === 'number') written ??= context?.source;
      return value;
    }) as (key: string, value: unknown) => unknown);
  } catch {
    return undefined;
  }
  return written;
}

function shown(value: unknown): string {
  return (typeof value === 'string' ? value : asPython(value)).slice(0, 250);
}

/** A value the way a Python client prints it, so that it recognises what it sent. */
function asPython(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') {
    const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
    return quote + value.replace(/\\/g, '\\\\').replaceAll(quote, `\\${quote}`) + quote;
  }
  if (Array.isArray(value)) return `[${value.map(asPython).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, one]) => `${asPython(key)}: ${asPython(one)}`)
      .join(', ')}}`;
  }
  return 'None';
}

/** The type as a Python client calls it. */
function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'string') return 'str';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  return 'dict';
}
