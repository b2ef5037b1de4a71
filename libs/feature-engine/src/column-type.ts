import { parseEventTime } from './event-time.js';

/** How a column's values are held: `number` covers everything a double holds exactly, `bigint` the 64-bit integers. */
export type ValueKind = 'number' | 'bigint' | 'string';

/** A value of a column or feature, as the engine holds it. Times are milliseconds since the epoch; Bool is 0 or 1. */
export type Value = number | bigint | string | null;

/** A value as JSON tells it: 64-bit integers that a double does not hold as text, what is no number as null. */
export function jsonValue<T>(value: T): Exclude<T, bigint> | string | number | null {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  return typeof value === 'number' && !Number.isFinite(value) ? null : (value as Exclude<T, bigint>);
}

/** A declared column type, in ClickHouse's words. */
export interface ColumnType {
  /** Without `Nullable`: `Int32`, `DateTime64(3)` … */
  readonly name: string;
  readonly nullable: boolean;
  readonly kind: ValueKind;
  readonly isInteger: boolean;
  readonly isTime: boolean;
  /** The engine's value of a JSON value; `undefined` when it is not of this type. Never called with null. */
  readonly parse: (json: unknown) => Value | undefined;
}

const NULLABLE = /^Nullable\((.+)\)$/;
const DATE_TIME_64 = /^DateTime64\(([0-3])(?:,\s*'UTC')?\)$/;

/** Parses a declared type; `undefined` when it is not one the engine knows. */
export function parseColumnType(text: string): ColumnType | undefined {
  const inner = NULLABLE.exec(text.trim());
  const name = (inner ? (inner[1] as string) : text).trim();
  const base = baseType(name);
  return base ? { ...base, name, nullable: inner !== null } : undefined;
}

/** Types as a message may list them. */
export const COLUMN_TYPES =
  'Bool, Int8..Int64, UInt8..UInt64, Float32, Float64, String, Date, DateTime, DateTime64(0..3), or Nullable(...) of one of them';

type Base = Omit<ColumnType, 'name' | 'nullable'>;

function baseType(name: string): Base | undefined {
  const integer = /^(U?)Int(8|16|32|64)$/.exec(name);
  if (integer) return integerType(integer[1] === 'U', Number(integer[2]));
  const dateTime = DATE_TIME_64.exec(name);
  if (dateTime) return timeType(10 ** (3 - Number(dateTime[1])), FIRST_TIME, TIMES_END);
  switch (name) {
    case 'Bool':
      return { ...NUMBER, parse: (json) => (json === true || json === 1 ? 1 : json === false || json === 0 ? 0 : undefined) };
    // Adding 0 turns -0 into 0: two values that are equal have the same bytes.
    case 'Float64':
      return { ...NUMBER, parse: (json) => (typeof json === 'number' && Number.isFinite(json) ? json + 0 : undefined) };
    case 'Float32':
      return { ...NUMBER, parse: parseFloat32 };
    case 'String':
      return { ...NUMBER, kind: 'string', parse: (json) => (typeof json === 'string' ? json.toWellFormed() : undefined) };
    case 'Date':
      return timeType(86_400_000, FIRST_TIME, TIMES_END);
    case 'DateTime':
      return timeType(1_000, 0, 2 ** 32 * 1_000);
    default:
      return undefined;
  }
}

const NUMBER = { kind: 'number', isInteger: false, isTime: false } as const;

function parseFloat32(json: unknown): number | undefined {
  if (typeof json !== 'number') return undefined;
  const rounded = Math.fround(json) + 0;
  return Number.isFinite(rounded) ? rounded : undefined;
}

/** The first time that ClickHouse's DateTime64 holds, in milliseconds since the epoch. */
export const FIRST_TIME = Date.UTC(1900, 0, 1);
/** The first one that it does not hold any more. */
export const TIMES_END = Date.UTC(2300, 0, 1);

/** A time cut down to the unit its type can hold, and within what ClickHouse can, so that what is stored offline is what was counted online. */
function timeType(unit: number, from: number, to: number): Base {
  return {
    kind: 'number',
    isInteger: false,
    isTime: true,
    parse: (json) => {
      const time = parseEventTime(json);
      return time === undefined || time < from || time >= to ? undefined : Math.floor(time / unit) * unit;
    },
  };
}

function integerType(unsigned: boolean, bits: number): Base {
  if (bits === 64) {
    const least = unsigned ? 0n : -(2n ** 63n);
    const most = unsigned ? 2n ** 64n - 1n : 2n ** 63n - 1n;
    return { kind: 'bigint', isInteger: true, isTime: false, parse: (json) => parseBigInt(json, least, most) };
  }
  const least = unsigned ? 0 : -(2 ** (bits - 1));
  const most = unsigned ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
  return {
    kind: 'number',
    isInteger: true,
    isTime: false,
    parse: (json) => (typeof json === 'number' && json >= least && json <= most && Number.isInteger(json) ? json + 0 : undefined),
  };
}

/** A JSON number beyond 2^53 has lost digits before anyone could see them, so it is refused; text carries them all. */
function parseBigInt(json: unknown, least: bigint, most: bigint): bigint | undefined {
  if (typeof json === 'number' ? !Number.isSafeInteger(json) : typeof json !== 'string' || !/^-?\d{1,20}$/.test(json)) return undefined;
  const value = BigInt(json as number | string);
  return value >= least && value <= most ? value : undefined;
}
