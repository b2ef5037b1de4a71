import { heldTypeOf, parseRequestValue, type ColumnType, type Value } from '@millrace/feature-engine';
import { quoteIdentifier } from '@millrace/offline-store';
import { noValueOf } from './spine-fault.js';
import { milliseconds, type StagedSpine } from './spine-table.js';
import type { OnDemandColumns, ViewColumns } from './view-columns.js';
import { ValueWriter, type ViewValuesOptions } from './view-values.js';

export interface OnDemandOptions extends Pick<ViewValuesOptions, 'store' | 'progress'> {
  readonly staged: StagedSpine;
  readonly views: readonly ViewColumns[];
  /** Quoted tables of the views' values: `__row`, `v0`, `v1` …, one a view. */
  readonly tables: readonly string[];
  readonly onDemand: OnDemandColumns;
  /** Where the values go. */
  readonly into: string;
}

const DEADLINE_MS = 600_000;
const ROWS_PER_READ = 100_000;

/**
 * Computes the features of on-demand views for each spine row with the evaluator that serves them online, from the values computed before and the spine's
 * own columns, and puts them into the table `into` as `__row`, `v0`, `v1` …
 */
export async function computeOnDemand({ store, progress, staged, views, tables, onDemand, into }: OnDemandOptions): Promise<void> {
  const { plan, features } = onDemand;
  const inputs = plan.stored.map(({ view, feature }) => {
    const table = views.findIndex((item) => item.plan === view);
    const place = views[table]?.features.findIndex((item) => item.index === feature) ?? -1;
    const held = heldTypeOf(view, feature);
    return { sql: heldSql(view.features[feature]?.type ?? '', `t${table}.v${place}`), read: reader(held) };
  });
  const fields = plan.request.map(({ name, type }) => {
    const declared = staged.columns.find((column) => column.name === name)?.type ?? '';
    return { name, type, isNumber: /^(Nullable\()?(U?Int|Float|Decimal|Date)/.test(declared), sql: fieldSql(name, type, declared) };
  });
  const selected = [
    's.__row AS __row',
    's.__at AS __at',
    ...inputs.map(({ sql }, index) => `${sql} AS i${index}`),
    ...fields.map(({ sql }, index) => `${sql} AS q${index}`),
  ].join(', ');
  const inPage = '__row >= {from:UInt64} AND __row < {to:UInt64}';
  const joins = tables.map(
    (table, index) => `LEFT JOIN (SELECT * FROM ${table} WHERE ${inPage}) AS t${index} ON s.__row = t${index}.__row`,
  );
  const sql = `SELECT ${selected} FROM (SELECT * FROM ${staged.table} WHERE ${inPage}) AS s ${joins.join(' ')}
    ORDER BY s.__row SETTINGS join_use_nulls = 1`;
  const writer = new ValueWriter(
    store,
    into,
    features.map(({ type }, index) => ({ index, type })),
  );
  const stored = new Array<Value>(inputs.length);
  const request = new Array<Value>(fields.length);
  const stage = plan.onDemand.map(({ name }) => name).join(', ');
  for (let from = 0; from < staged.rows; from += ROWS_PER_READ) {
    progress(stage, from, staged.rows);
    const rows = await store.query<Record<string, unknown>>(sql, { from, to: from + ROWS_PER_READ }, { deadlineMs: DEADLINE_MS });
    for (const row of rows) {
      const place = Number(row['__row']);
      for (let index = 0; index < inputs.length; index++) stored[index] = (inputs[index] as (typeof inputs)[number]).read(row[`i${index}`]);
      for (let index = 0; index < fields.length; index++) {
        const { name, type, isNumber } = fields[index] as (typeof fields)[number];
        const given = row[`q${index}`] ?? null;
        // 64-bit integers come as text, which a field of fewer bits does not take.
        const value = parseRequestValue(type, isNumber && type.kind === 'number' && typeof given === 'string' ? Number(given) : given);
        if (value === undefined) throw noValueOf(name, JSON.stringify(given), place, type.name);
        request[index] = value;
      }
      const at = Number(row['__at']);
      if (
        writer.add(
          place,
          features.map(({ computed }) => computed.value(stored, request, at)),
        )
      )
        await writer.flush();
    }
  }
  await writer.flush();
}

/** A value as a query gives it so that nothing of it is lost: a time as milliseconds. */
function heldSql(type: string, column: string): string {
  if (type === 'Date') return `toInt64(toInt32(${column})) * 86400000`;
  if (type.startsWith('DateTime')) return `toUnixTimestamp64Milli(${column})`;
  return type === 'Float32' ? `toFloat64(${column})` : column;
}

/** A spine's column as JSON that a caller could have sent. */
function fieldSql(name: string, { isTime }: ColumnType, declared: string): string {
  const column = `s.${quoteIdentifier(name)}`;
  if (isTime && /^(Nullable\()?Date/.test(declared)) return milliseconds(column, name, declared);
  return /^(Nullable\()?Float32/.test(declared) ? `toFloat64(${column})` : column;
}

/** Reads a value into what the engine holds of it. */
function reader({ kind, name }: ColumnType): (json: unknown) => Value {
  const read = kind === 'string' ? String : kind === 'bigint' ? (json: unknown) => BigInt(json as string) : Number;
  if (name === 'Bool') return (json) => (json === null || json === undefined ? null : json === true || json === 1 ? 1 : 0);
  return (json) => (json === null || json === undefined ? null : read(json));
}
