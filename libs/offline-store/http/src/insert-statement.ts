/** Where an INSERT's text ends and its data begins. */
export interface InsertStatement {
  /** The statement up to and with `FORMAT <name>` or `VALUES`. */
  readonly head: string;
  /** Where the data begins, in bytes. */
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
  const words: string[] = [];
  let depth = 0;
  TOKEN.lastIndex = 0;
  for (let at = skipSpace(text, 0); at < text.length;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) return undefined;
    const end = at + token.length;
    at = skipSpace(text, end);
    if (token.startsWith('--') || token.startsWith('/*')) continue;
    const word = token.toUpperCase();
    words.push(word);
    if (words[0] !== 'INSERT') return undefined;
    if (word === '(') depth++;
    if (word === ')') depth--;
    if (depth > 0) continue;
    if (word === 'SELECT' || word === 'WITH' || word === 'WATCH') return undefined;
    if (words.at(-2) === 'FORMAT' && word !== 'VALUES') return head(bytes, end, afterFormat(text, end));
    if (word === 'VALUES') return head(bytes, end, end);
  }
  return undefined;
}

/** True when the text is an INSERT of whatever kind. */
export function isInsert(sql: string): boolean {
  return /^(\s|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)*INSERT\b/i.test(sql);
}

function head(bytes: Buffer, end: number, dataAt: number): InsertStatement {
  return { head: bytes.toString('utf8', 0, end), dataAt };
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
