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
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] as string;
    if (character === '%') source += source.endsWith('.*') ? '' : '.*';
    else if (character === '_') source += '.';
    else {
      const taken = character === '\\' && at + 1 < pattern.length ? (pattern[++at] as string) : character;
      source += taken.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
    }
  }
  return new RegExp(`^${source}$`, ignoresCase ? 'isu' : 'su');
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
