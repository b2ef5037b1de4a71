import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ANY_TEXT, ONE_CHARACTER, wildcardPattern, type WildcardUnit } from './wildcard-pattern.js';

const unitsOf = (pattern: string): WildcardUnit[] =>
  [...pattern].map((unit) => (unit === '%' ? ANY_TEXT : unit === '_' ? ONE_CHARACTER : unit));

/** Every way to share the text, which short texts can afford. */
function matches(units: readonly WildcardUnit[], text: readonly string[]): boolean {
  const [unit, ...rest] = units;
  if (unit === undefined) return text.length === 0;
  if (unit === ANY_TEXT) return text.some((_, index) => matches(rest, text.slice(index))) || matches(rest, []);
  return text.length > 0 && (unit === ONE_CHARACTER || unit === text[0]) && matches(rest, text.slice(1));
}

describe('a pattern with wildcards', () => {
  test('takes what some way of sharing the text among its wildcards would take', () => {
    const pattern = fc.array(fc.constantFrom('%', '_', 'a', 'b', '.', '\n', 'é', '😀'), { maxLength: 9 });
    const text = fc.array(fc.constantFrom('a', 'b', '.', '\n', 'é', '😀'), { maxLength: 9 });
    fc.assert(
      fc.property(pattern, text, (signs, characters) => {
        const units = unitsOf(signs.join(''));
        expect(wildcardPattern(units).test(characters.join(''))).toBe(matches(units, characters));
      }),
      { numRuns: 20_000 },
    );
  });

  test('minds the case unless it is told not to', () => {
    expect(wildcardPattern(unitsOf('M_d%1')).test('model-1')).toBe(false);
    expect(wildcardPattern(unitsOf('M_d%1'), true).test('model-1')).toBe(true);
    expect(wildcardPattern(unitsOf('%A%b%C'), true).test('xaxBxc')).toBe(true);
  });

  test('many wildcards on a long text take no longer than they have to', () => {
    const started = performance.now();
    const text = 'a'.repeat(8_000);
    for (const pattern of ['%a'.repeat(12) + 'b', '%a'.repeat(12) + '%b%', 'a%_'.repeat(500) + 'b', '%aab%'.repeat(20)])
      expect(wildcardPattern(unitsOf(pattern)).test(text)).toBe(false);
    expect(wildcardPattern(unitsOf('%a'.repeat(500))).test(text)).toBe(true);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
