const QUOTE = 0x22;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** The first record of a CSV text that has not as many cells as the first line: its line, counted from 1, and how many it has. */
export function raggedRecord(bytes: Buffer): { readonly line: number; readonly cells: number; readonly wanted: number } | undefined {
  let wanted = 0;
  let cells = 1;
  let isQuoted = false;
  let line = 1;
  let began = 1;
  let start = 0;
  for (let at = 0; at <= bytes.length; at++) {
    // The end of the text ends a record too, unless none has begun.
    const byte = at < bytes.length ? (bytes[at] as number) : LINE_FEED;
    if (at === bytes.length && start === at) break;
    if (byte === QUOTE) isQuoted = !isQuoted;
    else if (byte === COMMA && !isQuoted) cells++;
    else if (byte === LINE_FEED) {
      line++;
      if (isQuoted && at < bytes.length) continue;
      if (wanted === 0) wanted = cells;
      else if (cells !== wanted) return { line: began, cells, wanted };
      cells = 1;
      began = line;
      start = at + 1;
    }
  }
  return undefined;
}

/** Whether nothing but ends of lines is there. */
export function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === LINE_FEED || byte === CARRIAGE_RETURN);
}
