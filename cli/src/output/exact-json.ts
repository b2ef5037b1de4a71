/** Not after a point: the digits of a fraction are many and mean nothing of the kind. */
const LONG_DIGITS = /(?<![.\d])\d{16}/;
const INTEGER = /^-?\d{16,}$/;
/** `JSON.rawJSON` is younger than the language level the types are of. */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };

/** `JSON.parse`, with whole numbers that a double does not hold as bigints: an id of 64 bits would otherwise be shown as somebody else's. */
export function parseExact(text: string): unknown {
  return LONG_DIGITS.test(text) ? (JSON.parse(text, exactInteger) as unknown) : (JSON.parse(text) as unknown);
}

/** `JSON.stringify` of what {@link parseExact} gives. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJSON(item.toString()) : item), indent);
}

function exactInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || context?.source === undefined) return value;
  return INTEGER.test(context.source) ? BigInt(context.source) : value;
}
