/** From here on, and from the other down, JSON writes doubles as whole numbers that no 64 bits hold. */
const [MOST, LEAST] = [2 ** 64, -(2 ** 63)];
/** As many digits from its first on as the least of them has; with more than 21 JSON writes an exponent. Looked for anywhere, the digits of each fraction are gone over again and again. */
const MANY_DIGITS = /[[,:-]\d{19}/;

/**
 * JSON that ClickHouse's functions read as well: to them a whole number that no 64 bits hold is none, and a text with one no JSON, so that everything else in it is missing too.
 * With a point it is the double it is.
 */
export function storedJson(value: object): string {
  const text = JSON.stringify(value);
  return MANY_DIGITS.test(text) ? pointed(value) : text;
}

function pointed(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pointed).join()}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${pointed(field)}`).join()}}`;
  }
  const text = JSON.stringify(value) ?? 'null';
  return typeof value === 'number' && (value >= MOST || value <= LEAST) && !text.includes('e') ? `${text}.0` : text;
}
