import { ANY_TEXT, ONE_CHARACTER, wildcardPattern, type WildcardUnit } from '@millrace/kernel';
import type { CriterionValue, Operator } from '../search-runs.query.js';

/** Whether a text passes a comparison; prepared once, asked of many. */
export function textTest(operator: Operator, value: CriterionValue): (text: string) => boolean {
  if (Array.isArray(value)) {
    const listed = new Set(value as readonly string[]);
    return operator === 'NOT IN' ? (text) => !listed.has(text) : (text) => listed.has(text);
  }
  const wanted = String(value);
  switch (operator) {
    case 'LIKE':
    case 'ILIKE': {
      const pattern = likePattern(wanted, operator === 'ILIKE');
      return (text) => pattern.test(text);
    }
    case '=':
      return (text) => text === wanted;
    case '!=':
      return (text) => text !== wanted;
    case '<':
      return (text) => text < wanted;
    case '<=':
      return (text) => text <= wanted;
    case '>':
      return (text) => text > wanted;
    case '>=':
      return (text) => text >= wanted;
    case 'IN':
    case 'NOT IN':
      return (text) => (text === wanted) === (operator === 'IN');
  }
}

export function numberTest(operator: Operator, value: CriterionValue): (number: number) => boolean {
  const wanted = Number(value);
  switch (operator) {
    case '=':
      return (number) => number === wanted;
    case '!=':
      return (number) => number !== wanted;
    case '<':
      return (number) => number < wanted;
    case '<=':
      return (number) => number <= wanted;
    case '>':
      return (number) => number > wanted;
    case '>=':
      return (number) => number >= wanted;
    default:
      return () => false;
  }
}

/** SQL's LIKE: `%` stands for any text, `_` for one character, a backslash takes either by its word. */
function likePattern(pattern: string, ignoresCase: boolean): RegExp {
  const units: WildcardUnit[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    if (character === '%') units.push(ANY_TEXT);
    else if (character === '_') units.push(ONE_CHARACTER);
    else units.push(character === '\\' && at + 1 < characters.length ? (characters[++at] as string) : character);
  }
  return wildcardPattern(units, ignoresCase);
}

const bits = new DataView(new ArrayBuffer(8));

/** A double as the whole number of its bits, as ClickHouse's `reinterpretAsUInt64` writes it, and back: a cursor of either place is the other's. */
export function bitsOf(value: number): string {
  bits.setFloat64(0, value);
  return bits.getBigUint64(0).toString();
}

export function fromBits(text: string): number {
  bits.setBigUint64(0, BigInt(/^\d{1,20}$/.test(text) ? text : '0') & 0xffffffffffffffffn);
  return bits.getFloat64(0);
}
