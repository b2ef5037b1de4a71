import { whole, type Scalar } from './expression-type.js';
import type { Comparison } from './parse-expression.js';

type Comparisons = Readonly<Record<Comparison, (a: Exclude<Scalar, null>, b: Exclude<Scalar, null>) => boolean>>;
export const COMPARE: Comparisons = {
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};
/** Of an Int64 with another number: 5 and 5n are equal, and only loosely. */
export const COMPARE_MIXED: Comparisons = { ...COMPARE, '=': (a, b) => a == b, '!=': (a, b) => a != b };

/** Operators that keep whole numbers whole. */
type Whole = '+' | '-' | '*' | '%';
export const DOUBLE: Readonly<Record<Whole, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '%': (a, b) => a % b,
};
export const LONG: Readonly<Record<Whole, (a: bigint, b: bigint) => Scalar>> = {
  '+': (a, b) => whole(a + b),
  '-': (a, b) => whole(a - b),
  '*': (a, b) => whole(a * b),
  '%': (a, b) => (b === 0n ? null : whole(a % b)),
};
