import { exactJsonText } from '@millrace/kernel';
import { parseKeyValue, type ColumnType } from '@millrace/feature-engine';
import type { TrainingSetColumn } from '../domain/training-set/training-set.events.js';
import { checkColumnNames, noValueOf, spineFault } from './spine-fault.js';
import type { SpineKey } from './spine-table.js';

/** A row as {@link parseShallowJson} reads it. */
export type GivenRow = Readonly<Record<string, unknown>>;

interface RowsShape {
  readonly keys: readonly SpineKey[];
  readonly timestampColumn: string;
}

const INT64 = { least: -(2n ** 63n), most: 2n ** 63n - 1n };
const UINT64_MOST = 2n ** 64n - 1n;

/** Refuses rows with a key that is none, a time that is none, or a number of which digits would be lost. */
export function checkGivenRows(rows: readonly GivenRow[], shape: RowsShape): void {
  const keys = shape.keys.filter(({ type }) => isInteger(type));
  rows.forEach((row, index) => {
    for (const { name, type } of keys) {
      const value = row[name] ?? null;
      if (value !== null && parseKeyValue(type, value) === undefined) throw noValueOf(name, exactJsonText(value), index, type.name);
    }
    const time = row[shape.timestampColumn];
    if (typeof time === 'number' && !Number.isInteger(time))
      throw noValueOf(shape.timestampColumn, String(time), index, 'whole number of milliseconds');
  });
  inferColumns(rows, shape);
}

/** Columns of given rows: join keys in their types, the rest by what the values are. Throws where no type holds all of a column's digits. */
export function inferColumns(rows: readonly GivenRow[], { keys, timestampColumn }: RowsShape): TrainingSetColumn[] {
  const columns = new Map<string, Column>();
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      const column = columns.get(name);
      if (column) column.add(value);
      else columns.set(name, new Column(value));
    }
  }
  checkColumnNames([...columns.keys()].map((name) => ({ name })));
  const keyTypes = new Map(keys.map((key) => [key.name, key.type.name]));
  return [...columns].map(([name, column]) => {
    const own = keyTypes.get(name);
    if (own !== undefined) return { name, type: `Nullable(${own})` };
    const type = column.type(name);
    return { name, type: `Nullable(${name === timestampColumn && type === 'Float64' ? 'Int64' : type})` };
  });
}

/** A row as JSON that ClickHouse reads with all its digits: a long number is text, which a column of numbers takes as well, and so is what is nested. */
export function insertable(row: GivenRow): GivenRow {
  const isPlain = (value: unknown): boolean => typeof value !== 'bigint' && (typeof value !== 'object' || value === null);
  if (Object.values(row).every(isPlain)) return row;
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, isPlain(value) ? value : exactJsonText(value)]));
}

function isInteger({ kind, isInteger: isWhole }: ColumnType): boolean {
  return isWhole || kind === 'bigint';
}

/** What the values of a column are. */
class Column {
  #kind: 'number' | 'boolean' | 'other' | undefined;
  /** Whether each number is whole; the least and the most of them are of those that a double does not hold. */
  #isWhole = true;
  #isNegative = false;
  #least: bigint | undefined;
  #most: bigint | undefined;
  /** One that loses digits as a double. */
  #long: bigint | undefined;

  constructor(value: unknown) {
    this.add(value);
  }

  add(value: unknown): void {
    if (value === null) return;
    const isNumber = typeof value === 'number' || typeof value === 'bigint';
    const kind = isNumber ? 'number' : typeof value === 'boolean' ? 'boolean' : 'other';
    if (this.#kind === undefined) this.#kind = kind;
    else if (this.#kind !== kind) this.#kind = 'other';
    if (typeof value === 'number') {
      if (!Number.isInteger(value)) this.#isWhole = false;
      else if (value < 0) this.#isNegative = true;
      if (Math.abs(value) > Number.MAX_SAFE_INTEGER) this.#isWhole = false;
    }
    if (typeof value !== 'bigint') return;
    if (this.#least === undefined || value < this.#least) this.#least = value;
    if (this.#most === undefined || value > this.#most) this.#most = value;
    if (this.#long === undefined && String(Number(value)) !== value.toString()) this.#long = value;
  }

  type(name: string): string {
    if (this.#kind === 'boolean') return 'Bool';
    if (this.#kind !== 'number') return 'String';
    if (this.#least === undefined || this.#most === undefined) return 'Float64';
    if (this.#isWhole && this.#least >= INT64.least && this.#most <= INT64.most) return 'Int64';
    if (this.#isWhole && this.#least >= 0n && !this.#isNegative && this.#most <= UINT64_MOST) return 'UInt64';
    if (this.#long === undefined) return 'Float64';
    const beside = this.#isWhole ? 'no 64 bits hold all numbers of the column' : 'a number beside it is no 64-bit integer';
    throw spineFault(`the spine's column ${name} has ${this.#long}, whose digits would be lost, as ${beside}; write its values as text`);
  }
}
