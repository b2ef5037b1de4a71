import type { SourcePlan } from './source-plan.js';

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const DELETE = 0x7f;
/** An integer of so many digits is exact however it is added up. */
const EXACT_DIGITS = 15;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

interface Layout {
  /** `"name"` by column. */
  readonly keys: readonly string[];
  /** The column that came after this one in the event before: producers keep their order. The last entry: the first column. */
  readonly next: Int32Array;
}

const LAYOUTS = new WeakMap<SourcePlan, Layout>();

/**
 * The fields of one flat JSON object by the source's columns, as `JSON.parse` would give them; `undefined` when the text is anything else, or
 * anything rare: nesting, escapes, text that is not ASCII, a missing column, an error. Then `JSON.parse` has to say. It builds no object and no
 * names, which is most of the time that decoding an event takes.
 */
export function readFlatJson(source: SourcePlan, text: string): unknown[] | undefined {
  const { keys, next } = layoutOf(source);
  const fields = new Array<unknown>(keys.length);
  let missing = keys.length;
  let before = keys.length;
  let at = skipBlanks(text, 0);
  if (text.charCodeAt(at) !== OPEN_BRACE) return undefined;
  for (;;) {
    at = skipBlanks(text, at + 1);
    let column = next[before] as number;
    if (!startsAt(text, at, keys[column] as string)) {
      column = keys.findIndex((key) => startsAt(text, at, key));
      if (column < 0) {
        // A field that is no column's: its name and value are passed over.
        if (text.charCodeAt(at) !== QUOTE) return undefined;
        const end = endOfText(text, at);
        if (end < 0) return undefined;
        at = end;
      } else next[before] = column;
    }
    if (column >= 0) {
      at += (keys[column] as string).length;
      before = column;
    }
    at = skipBlanks(text, at);
    if (text.charCodeAt(at) !== COLON) return undefined;
    at = skipBlanks(text, at + 1);
    const end = endOfValue(text, at);
    if (end < 0) return undefined;
    if (column >= 0) {
      if (fields[column] === undefined) missing--;
      fields[column] = value;
    }
    at = skipBlanks(text, end);
    const separator = text.charCodeAt(at);
    if (separator === COMMA) continue;
    if (separator !== CLOSE_BRACE || skipBlanks(text, at + 1) !== text.length) return undefined;
    return missing === 0 ? fields : undefined;
  }
}

/** What {@link endOfValue} has read. */
let value: unknown;

/** Reads one string, number or literal into {@link value}; -1: it is none of these, or not one of the plain ones. */
function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) {
    const end = endOfText(text, start);
    if (end >= 0) value = text.slice(start + 1, end - 1);
    return end;
  }
  if (first === MINUS || isDigit(first)) return endOfNumber(text, start, first === MINUS);
  if (startsAt(text, start, 'null')) return literal(start + 4, null);
  if (startsAt(text, start, 'true')) return literal(start + 4, true);
  return startsAt(text, start, 'false') ? literal(start + 5, false) : -1;
}

function literal(end: number, read: boolean | null): number {
  value = read;
  return end;
}

function endOfNumber(text: string, start: number, isNegative: boolean): number {
  const from = isNegative ? start + 1 : start;
  let at = from;
  let sum = 0;
  for (let unit = text.charCodeAt(at); isDigit(unit); unit = text.charCodeAt(++at)) sum = sum * 10 + (unit - ZERO);
  const digits = at - from;
  const after = text.charCodeAt(at) | SPACE;
  const isInteger = after !== POINT && after !== 0x65;
  const isPlain = digits > 0 && digits <= EXACT_DIGITS && (digits === 1 || text.charCodeAt(from) !== ZERO);
  if (isInteger && isPlain) {
    value = isNegative ? -sum : sum;
    return at;
  }
  NUMBER.lastIndex = start;
  if (!NUMBER.test(text)) return -1;
  value = Number(text.slice(start, NUMBER.lastIndex));
  return NUMBER.lastIndex;
}

/** After the closing quote of the text that opens at `open`; -1 when it holds an escape or anything but printable ASCII. */
function endOfText(text: string, open: number): number {
  for (let at = open + 1; ; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) return at + 1;
    // Also where the text ends: no comparison with NaN holds.
    if (!(unit >= SPACE && unit < DELETE) || unit === BACKSLASH) return -1;
  }
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  for (;;) {
    const unit = text.charCodeAt(at);
    if (unit !== SPACE && unit !== LINE_FEED && unit !== TAB && unit !== CARRIAGE_RETURN) return at;
    at++;
  }
}

function startsAt(text: string, at: number, part: string): boolean {
  for (let index = 0; index < part.length; index++) if (text.charCodeAt(at + index) !== part.charCodeAt(index)) return false;
  return true;
}

function isDigit(unit: number): boolean {
  return unit >= ZERO && unit <= 0x39;
}

function layoutOf(source: SourcePlan): Layout {
  let layout = LAYOUTS.get(source);
  if (!layout) {
    const keys = source.columns.map((column) => JSON.stringify(column.name));
    const next = Int32Array.from({ length: keys.length + 1 }, (_, column) => (column + 1) % keys.length);
    next[keys.length] = 0;
    LAYOUTS.set(source, (layout = { keys, next }));
  }
  return layout;
}
