/**
 * SQL's `like`: `%` is any text, `_` any character, `\\` takes the next character as it is. Greedy with one place to come back to, so it takes at most
 * the product of the two lengths, whatever the pattern.
 */
export function likePattern(pattern: string): (text: string) => boolean {
  const parts: (string | typeof ANY | typeof ONE)[] = [];
  const units = [...pattern];
  for (let at = 0; at < units.length; at++) {
    const unit = units[at] as string;
    if (unit === '%') parts.push(ANY);
    else if (unit === '_') parts.push(ONE);
    else parts.push(unit === '\\' && at + 1 < units.length ? (units[++at] as string) : unit);
  }
  return (text) => {
    const characters = [...text];
    let part = 0;
    let star = -1;
    let mark = 0;
    for (let at = 0; at < characters.length;) {
      const expected = parts[part];
      if (expected === ANY) {
        star = part++;
        mark = at;
      } else if (expected === ONE || (expected !== undefined && expected === characters[at])) {
        part++;
        at++;
      } else if (star >= 0) {
        part = star + 1;
        at = ++mark;
      } else return false;
    }
    while (parts[part] === ANY) part++;
    return part === parts.length;
  };
}

const ANY = Symbol('%');
const ONE = Symbol('_');
