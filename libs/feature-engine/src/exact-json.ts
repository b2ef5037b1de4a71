/** Not after a point: the digits of a fraction are many and mean nothing of the kind. */
const LONG_DIGITS = /(?<![.\d])\d{16}/;
const INTEGER = /^-?\d{16,}$/;

/** Whether a text of JSON may have whole numbers that a double does not hold. */
export function hasLongDigits(text: string): boolean {
  return LONG_DIGITS.test(text);
}

/** What is nested deeper is a mistake or an attack on the stack, by which a value is walked. */
const DEEPEST = 500;

/**
 * `JSON.parse`, with whole numbers that a double does not hold as bigints: 64-bit ids are written as plain JSON numbers, and a digit lost would name somebody
 * else. Throws a SyntaxError as it does, and for what is nested deeper than 500 levels.
 */
export function parseExactJson(text: string): unknown {
  if (isDeep(text)) throw new SyntaxError(`lists and objects are nested deeper than ${DEEPEST} levels`);
  return hasLongDigits(text) ? (JSON.parse(text, exactInteger) as unknown) : (JSON.parse(text) as unknown);
}

function isDeep(text: string): boolean {
  // What does not open so many brackets at all is not as deep, and nearly no request does.
  if (opens(text, DEEPEST + 1) <= DEEPEST) return false;
  let depth = 0;
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isText) {
      if (code === 0x5c) at++;
      else if (code === 0x22) isText = false;
    } else if (code === 0x22) isText = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > DEEPEST) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}

/** How many lists and objects are opened, up to `most`: finding the next bracket is one search of the runtime's own. */
function opens(text: string, most: number): number {
  let count = 0;
  for (const bracket of ['[', '{'])
    for (let at = text.indexOf(bracket); at >= 0 && count < most; at = text.indexOf(bracket, at + 1)) count++;
  return count;
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
