/** Not after a point: the digits of a fraction are many and mean nothing of the kind. */
const LONG_DIGITS = /(?<![.\d])\d{16}/;
const INTEGER = /^-?\d{16,}$/;

/** Whether a text of JSON may have whole numbers that a double does not hold. */
export function hasLongDigits(text: string): boolean {
  return LONG_DIGITS.test(text);
}

/**
 * `JSON.parse`, with whole numbers that a double does not hold as bigints: 64-bit ids are written as plain JSON numbers, and a digit lost would name somebody
 * else. Throws a SyntaxError as it does.
 */
export function parseExactJson(text: string): unknown {
  return hasLongDigits(text) ? (JSON.parse(text, exactInteger) as unknown) : (JSON.parse(text) as unknown);
}

function exactInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || context?.source === undefined) return value;
  return INTEGER.test(context.source) ? BigInt(context.source) : value;
}

/** `JSON.rawJSON` is younger than the language level the types are of. */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };

/** `JSON.stringify`, with bigints as numbers with all their digits. */
export function exactJsonText(value: unknown): string {
  // Asking each value costs more than looking for the few that need it.
  if (!hasBigInt(value)) return JSON.stringify(value);
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJSON(item.toString()) : item));
}

function hasBigInt(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint';
  return Object.values(value).some(hasBigInt);
}
