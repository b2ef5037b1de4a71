/** The parts of an INSERT's text, and where its data begins. */
export interface InsertStatement {
  /** `INSERT INTO t (a, b)`. */
  readonly into: string;
  /** `SETTINGS …`, or nothing. */
  readonly settings: string;
  readonly format: string;
  /** In bytes. */
  readonly dataAt: number;
}

const TOKEN = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"|`(?:[^`\\]|\\[\s\S])*`|\w+|\S/gy;
/** An INSERT's head is short; what comes later is data. */
const LONGEST_HEAD = 64 * 1024;

/**
 * Finds the head of an INSERT that carries data (`FORMAT x` or `VALUES`). `undefined`: no INSERT, or one without data (INSERT … SELECT).
 * The bytes are read as Latin-1, so that positions are bytes and the binary data behind the head does not matter.
 */
export function insertStatement(bytes: Buffer): InsertStatement | undefined {
  const text = bytes.toString('latin1', 0, LONGEST_HEAD);
  let depth = 0;
  let settingsAt: number | undefined;
  let formatAt: number | undefined;
  let isFirst = true;
  const parts = (upTo: number, format: string, dataAt: number): InsertStatement => {
    const cut = settingsAt ?? upTo;
    return { into: bytes.toString('utf8', 0, cut).trimEnd(), settings: bytes.toString('utf8', cut, upTo).trim(), format, dataAt };
  };
  for (let at = skipSpace(text, 0); at < text.length;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) return undefined;
    const start = at;
    const end = at + token.length;
    at = skipSpace(text, end);
    if (token.startsWith('--') || token.startsWith('/*')) continue;
    const word = token.toUpperCase();
    if (isFirst && word !== 'INSERT') return undefined;
    isFirst = false;
    if (word === '(') depth++;
    if (word === ')') depth--;
    if (depth > 0) continue;
    if (formatAt !== undefined) return parts(formatAt, word === 'VALUES' ? 'Values' : token, afterFormat(text, end));
    if (word === 'SELECT' || word === 'WITH' || word === 'WATCH' || word === 'INFILE') return undefined;
    if (word === 'VALUES') return parts(start, 'Values', end);
    if (word === 'FORMAT') formatAt = start;
    if (word === 'SETTINGS') settingsAt = start;
  }
  return undefined;
}

/** True when the text is an INSERT of whatever kind. */
export function isInsert(sql: string): boolean {
  return /^(\s|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)*INSERT\b/i.test(sql);
}

/** As ClickHouse does it: a semicolon, blanks and one line break belong to the statement; the next byte is data, whatever it is. */
function afterFormat(text: string, end: number): number {
  let at = end;
  while (' \t\f'.includes(text[at] ?? '!')) at++;
  if (text[at] === ';') at++;
  while (' \t\f'.includes(text[at] ?? '!')) at++;
  if (text[at] === '\r') at++;
  if (text[at] === '\n') at++;
  return at;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at] as string)) at++;
  return at;
}
