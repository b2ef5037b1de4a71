import type { TrainingSetColumn } from '../domain/training-set/training-set.events.js';
import { spineFault } from './spine-fault.js';

/** A time of day, by itself. */
const TIME_OF_DAY = /^(Nullable\()?Time(64\(\d\))?\)?$/;
/** What Parquet has no type for, wherever it stands in a column's type; what a type follows is the name of a tuple's element. */
const UNWRITABLE = /\b(Time|Time64|Interval[A-Z][a-z]+|BFloat16|Variant|Dynamic|Nothing)\b(?! [A-Z])/;

/** Refuses a column of a spine that no Parquet can be written of, with what would help. */
export function checkInParquet({ name, type }: TrainingSetColumn): void {
  // Names of tuples' elements and values of enums are no types.
  const types = type.replace(/'(?:[^'\\]|\\.|'')*'|`[^`]*`/g, '');
  if (TIME_OF_DAY.test(type) || !UNWRITABLE.test(types)) return;
  throw spineFault(
    `the spine's column ${name} is ${type}, of which no Parquet can be written; cast it (toString), leave it out, or ask for output arrow`,
  );
}

/** A column as it is written to Parquet, and how its value is had from the spine's: times of day are texts, as those of a spine's file are. */
export function inParquet(column: TrainingSetColumn): { readonly column: TrainingSetColumn; readonly wrap: (sql: string) => string } {
  if (!TIME_OF_DAY.test(column.type)) return { column, wrap: asItIs };
  const type = column.type.startsWith('Nullable(') ? 'Nullable(String)' : 'String';
  return { column: { name: column.name, type }, wrap: (sql) => `toString(${sql})` };
}

export function asItIs(sql: string): string {
  return sql;
}
