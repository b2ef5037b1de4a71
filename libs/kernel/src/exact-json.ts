/** `JSON.rawJSON` is younger than the language level the types are of. */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };

/** A number that begins with sixteen digits: the many digits of a fraction do not count. Inside of strings it may match, which costs the slower pass only. */
const LONG_INTEGER = /(?:^|[-,:[\s])\d{16}/;
const INTEGER = /^-?\d{16,}$/;
/** What is nested deeper is a mistake or an attack on the stack, by which a value is walked. */
const DEEPEST = 500;

/** Whether a text of JSON may have whole numbers that a double does not hold. */
export function hasLongIntegers(text: string): boolean {
  return LONG_INTEGER.test(text);
}

/**
 * `JSON.parse`, with whole numbers that a double does not hold as bigints: 64-bit ids are written as plain JSON numbers, and a digit lost would name somebody
 * else. The slower pass that it takes runs only where a text may have such numbers.
 */
export function parseExactJson(text: string): unknown {
  return hasLongIntegers(text) ? (JSON.parse(text, exactInteger) as unknown) : (JSON.parse(text) as unknown);
}

/** {@link parseExactJson} for values that are walked by recursion: it throws a SyntaxError for what is nested deeper than 500 levels, too. */
export function parseShallowJson(text: string): unknown {
  if (isDeep(text)) throw new SyntaxError(`lists and objects are nested deeper than ${DEEPEST} levels`);
  return parseExactJson(text);
}

/** `JSON.stringify`, with bigints as numbers with all their digits. An option and no second argument, which `map` would fill with an index. */
export function exactJsonText(value: unknown, { indent }: { readonly indent?: number } = {}): string {
  // Asking each value costs more than looking for the few that need it.
  if (!hasBigInt(value)) return JSON.stringify(value, undefined, indent);
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJSON(item.toString()) : item), indent);
}

function exactInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || context?.source === undefined) return value;
  return INTEGER.test(context.source) ? BigInt(context.source) : value;
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

function hasBigInt(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint';
  return Object.values(value).some(hasBigInt);
}
