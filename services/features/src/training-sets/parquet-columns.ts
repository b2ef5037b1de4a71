import { parquetColumn } from '@millrace/offline-store';
import type { TrainingSetColumn } from '../domain/training-set/training-set.events.js';
import { spineFault } from './spine-fault.js';

/** Refuses a column of a spine that no Parquet can be written of, with what would help. */
export function checkInParquet({ name, type }: TrainingSetColumn): void {
  if (parquetColumn('', type)) return;
  throw spineFault(
    `the spine's column ${name} is ${type}, of which no Parquet can be written; cast it (toString), leave it out, or ask for output arrow`,
  );
}

/** A column as it is written to Parquet, and how its value is had from the spine's: times of day are texts, as those of a spine's file are. */
export function inParquet({ name, type }: TrainingSetColumn): {
  readonly column: TrainingSetColumn;
  readonly wrap: (sql: string) => string;
} {
  return { column: { name, type: parquetColumn('', type)?.type ?? type }, wrap: (sql) => parquetColumn(sql, type)?.sql ?? sql };
}

export function asItIs(sql: string): string {
  return sql;
}
