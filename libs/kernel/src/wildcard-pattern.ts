/** Stands for any text, also none. */
export const ANY_TEXT = Symbol('any text');
/** Stands for one character. */
export const ONE_CHARACTER = Symbol('one character');

export type WildcardUnit = string | typeof ANY_TEXT | typeof ONE_CHARACTER;

/**
 * Tests whole texts against a pattern of characters and wildcards, in time of the product of the two lengths at most: patterns are given by
 * whoever asks, and an expression that tries every way to share a text among several wildcards would hold the process for hours.
 */
export function wildcardPattern(units: readonly WildcardUnit[], ignoresCase = false): RegExp {
  const pieces = [''];
  for (const unit of units) {
    if (unit === ANY_TEXT) pieces.push('');
    else pieces[pieces.length - 1] += unit === ONE_CHARACTER ? '.' : unit.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  }
  const first = pieces.shift() as string;
  const last = pieces.pop();
  const between = pieces.filter((piece) => piece !== '');
  const flags = ignoresCase ? 'isu' : 'su';
  if (last === undefined) return new RegExp(`^${first}$`, flags);
  // One piece that may stand anywhere has one way to be found.
  if (between.length <= 1 && first === '' && last === '') return new RegExp(`^.*${between.join('')}.*$`, flags);
  // A piece stands as early as it can, and what a lookahead has found is not tried anew: were it further on, there would only be less left for the others.
  const found = between.map((piece, index) => `(?=(.*?${piece}))\\${index + 1}`);
  return new RegExp(`^${first}${found.join('')}.*${last}$`, flags);
}
