const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;

/**
 * Where the one JSON object of these bytes begins and ends (exclusive). Throws when there is anything else beside it: bytes from
 * outside that close their object and open another would smuggle in a second row, with a position of their choice. The inside is
 * ClickHouse's to judge.
 */
export function jsonObjectBounds(bytes: Buffer): { start: number; end: number } {
  let start = 0;
  while (start < bytes.length && isSpace(bytes[start] as number)) start++;
  if (bytes[start] !== OPEN_BRACE) throw notAnObject();
  let depth = 0;
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) i = endOfString(bytes, i);
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (--depth > 0) continue;
      for (let rest = i + 1; rest < bytes.length; rest++) if (!isSpace(bytes[rest] as number)) throw notAnObject();
      return { start, end: i + 1 };
    }
  }
  throw notAnObject();
}

/** Searching for the next quote is native code; only strings with escapes take a second look. */
function endOfString(bytes: Buffer, open: number): number {
  for (let from = open + 1; ;) {
    const quote = bytes.indexOf(QUOTE, from);
    if (quote < 0) throw notAnObject();
    let escapes = 0;
    while (bytes[quote - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return quote;
    from = quote + 1;
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 0x09 && byte <= 0x0d);
}

function notAnObject(): TypeError {
  return new TypeError('the row is not one JSON object');
}
