import { FIRST_TIME, TIMES_END, type ColumnType } from '../column-type.js';

/**
 * What an expression may be: `int` is a whole number held as a double, `int64` one held as a bigint, `time` milliseconds since the epoch, `null` the
 * literal alone. Each may be null besides.
 */
export type ExpressionType = 'int' | 'int64' | 'float' | 'text' | 'bool' | 'time' | 'null';
export type Scalar = number | bigint | string | boolean | null;

export const TYPE_WORDS: Readonly<Record<ExpressionType, string>> = {
  int: 'a whole number',
  int64: 'an Int64',
  float: 'a number',
  text: 'text',
  bool: 'true or false',
  time: 'a time',
  null: 'null',
};

export function isNumeric(type: ExpressionType): boolean {
  return type === 'int' || type === 'int64' || type === 'float';
}

export function typeOfColumn(type: ColumnType): ExpressionType {
  if (type.name === 'Bool') return 'bool';
  if (type.isTime) return 'time';
  if (type.kind === 'string') return 'text';
  if (type.kind === 'bigint') return 'int64';
  return type.isInteger ? 'int' : 'float';
}

/** The column type that an expression's values have, in ClickHouse's words. */
export const COLUMN_TYPE_OF: Readonly<Record<Exclude<ExpressionType, 'null'>, string>> = {
  int: 'Int64',
  int64: 'Int64',
  float: 'Float64',
  text: 'String',
  bool: 'Bool',
  time: 'DateTime64(3)',
};

/** The type that values of both have after {@link converter}; `undefined` when there is none. */
export function commonType(a: ExpressionType, b: ExpressionType): ExpressionType | undefined {
  if (a === b || b === 'null') return a;
  if (a === 'null') return b;
  if (!isNumeric(a) || !isNumeric(b)) return undefined;
  return a === 'float' || b === 'float' ? 'float' : 'int64';
}

/** Takes a value of one type into another that {@link commonType} gave; `undefined`: it is of it already. */
export function converter(from: ExpressionType, to: ExpressionType): ((value: Scalar) => Scalar) | undefined {
  if (from === to || from === 'null') return undefined;
  if (to === 'float' && from === 'int64') return (value) => (value === null ? null : Number(value));
  if (to === 'int64' && from === 'int') return (value) => (value === null ? null : BigInt(value));
  return undefined;
}

/** A whole number that Int64 (as a bigint) or a double (as a number) holds exactly; null beyond, as there is nothing right to say. */
export function whole(value: number | bigint): number | bigint | null {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? value : null;
  return Number.isSafeInteger(value) ? value + 0 : null;
}

/** A time that its column type can hold; null beyond, as ClickHouse would keep another. */
export function within(time: number): number | null {
  return time >= FIRST_TIME && time < TIMES_END ? time : null;
}

/** A double; null where there is no number. -0 becomes 0, so that equal values have equal bytes. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value + 0 : null;
}
