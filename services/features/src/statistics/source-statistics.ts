import { createHash } from 'node:crypto';
import type { SourceColumn, SourcePlan } from '@millrace/feature-engine';
import { canonical } from '@millrace/kernel';
import { quoteIdentifier, quoteString, quoteTable } from '@millrace/offline-store';
import { sourceTable } from '../sources/source-table.js';
import { millisecondsOf } from '../sources/time-column.js';
import type { StatisticsColumn } from './read-statistics.js';
import type { SegmentedTable } from './segments.js';
import { hourOf } from './summary-sql.js';

/** What a source's statistics rest on: with another topic or schema they are others. */
export function sourceShape({ topic, eventTime, columns }: SourcePlan): string {
  const shape = [topic, columns[eventTime]?.name, columns.map(({ name, type }) => [name, type.name, type.nullable])];
  return createHash('sha256').update(canonical(shape)).digest('hex').slice(0, 16);
}

/** The columns of a source's table, by the hour of the event time. A correction counts as the record it is. */
export function sourceColumns(plan: SourcePlan): SegmentedTable {
  const fields = plan.columns.map((column) => `(${quoteString(column.name)}, ${valueOf(column)}, ${textOf(column)})`).join(', ');
  const table = sourceTable(plan.name);
  return {
    of: 'source',
    name: plan.name,
    definition: sourceShape(plan),
    table,
    values: (where) =>
      `SELECT field.1 AS column, __hour AS hour, _partition, _offset, field.2 AS value, field.3 AS text, toUInt8(0) AS status
       FROM (SELECT _partition, _offset, ${hourOf('_event_time')} AS __hour, [${fields}] AS __fields FROM ${quoteTable(table)} WHERE ${where} LIMIT 1 BY _partition, _offset)
       ARRAY JOIN __fields AS field`,
  };
}

/** Where the statistics of a source's columns are, in the order they are named in; of all when none is. */
export function sourceStatisticsColumns(plan: SourcePlan, names: readonly string[]): StatisticsColumn[] {
  const wanted = names.length === 0 ? plan.columns : names.flatMap((name) => plan.columns[plan.columnIndex.get(name) ?? -1] ?? []);
  return wanted.map(({ name, type }) => ({ column: name, isTime: type.isTime, label: name }));
}

function valueOf({ name, type }: SourceColumn): string {
  if (type.kind === 'string') return 'CAST(NULL AS Nullable(Float64))';
  const quoted = quoteIdentifier(name);
  return `CAST(toFloat64(${type.isTime ? millisecondsOf(quoted, type.name) : quoted}) AS Nullable(Float64))`;
}

function textOf({ name, type }: SourceColumn): string {
  return `CAST(${type.kind === 'string' ? quoteIdentifier(name) : 'NULL'} AS Nullable(String))`;
}
