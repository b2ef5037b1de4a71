const NAMED: Readonly<Record<string, number>> = { nan: NaN, '-nan': NaN, inf: Infinity, '+inf': Infinity, '-inf': -Infinity };

/** A double from the text ClickHouse writes of it: to the bit, and what is not finite too. */
export function doubleOf(text: string): number {
  return NAMED[text] ?? Number(text);
}
