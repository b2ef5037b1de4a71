import type { ArtifactStore } from '@millrace/artifact-store';
import { FIRST_TOLD, LAST_TOLD, type ColumnType, type SourcePlan } from '@millrace/feature-engine';
import { EXACT_JSON_ROWS, quoteIdentifier, quoteString, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import type { Spine, TrainingSetColumn } from '../domain/training-set/training-set.events.js';
import { millisecondsOf, unwrapped } from '../sources/time-column.js';
import { checkColumnNames, noValueOf, spineFault } from './spine-fault.js';
import { inline, KNOWN_COLUMN, withRows, type Rows } from './spine-rows.js';

/** A join key of a spine: the column's name, and the type the features' entity gives it. */
export interface SpineKey {
  readonly name: string;
  readonly type: ColumnType;
}

export interface SpineOptions {
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
  readonly spine: Spine;
  readonly keys: readonly SpineKey[];
  /** Columns that on-demand views take from the request, and the view that does. */
  readonly fields: readonly (SpineKey & { readonly view: string })[];
  readonly timestampColumn: string;
  /** The source of a `source` spine, and what of it was known. */
  readonly source: { readonly plan: SourcePlan; readonly next: readonly number[] } | undefined;
  readonly maxRows: number;
  /** Whether the rows have to be told by a digest. */
  readonly hasDigest: boolean;
  /** The rows are the platform's own and may say what each of them knew. */
  readonly mayKnow: boolean;
}

/** A spine in a table: its own columns, and beside them `__row` (its place), `__at` (milliseconds) and `__key_<n>` in the keys' types. */
export interface StagedSpine {
  /** Quoted. */
  readonly table: string;
  /** The spine's own columns. */
  readonly columns: readonly TrainingSetColumn[];
  readonly rows: number;
  /** Empty unless it was asked for. */
  readonly digest: string;
  /** Each row says what it was answered from, in `__known`. */
  readonly known: boolean;
}

const DEADLINE_MS = 600_000;

/** Puts the spine's rows, in their order, into a scratch table and runs `use` on it. */
export async function withSpine<T>(options: SpineOptions, use: (spine: StagedSpine) => Promise<T>): Promise<T> {
  return withRows(options, (rows) => stage(options, rows, use));
}

async function stage<T>(options: SpineOptions, rows: Rows, use: (spine: StagedSpine) => Promise<T>): Promise<T> {
  const { store, scratch, keys, fields, timestampColumn, maxRows } = options;
  const isGuests = rows.isGuests === true;
  const described = await describe(store, rows);
  const columns = described.filter((column) => column.name !== KNOWN_COLUMN || !options.mayKnow);
  const typeOf = new Map(columns.map((column) => [column.name, column.type]));
  const timestampType = typeOf.get(timestampColumn);
  if (timestampType === undefined) {
    throw spineFault(`the spine has no column ${timestampColumn}; it has ${columns.map((column) => column.name).join(', ')}`);
  }
  const missing = keys.find((key) => !typeOf.has(key.name));
  if (missing) throw spineFault(`the spine has no column for join key ${missing.name}`);
  const absent = fields.find((field) => !typeOf.has(field.name));
  if (absent)
    throw spineFault(
      `the spine has no column ${absent.name} (${absent.type.name}), which feature view ${absent.view} takes from the request`,
    );
  checkColumnNames(columns);
  const keyColumns = keys.map(
    (key, index) =>
      `accurateCastOrNull(${keyColumn(key, typeOf.get(key.name) as string)}, ${quoteString(key.type.name)}) AS __key_${index}`,
  );
  const at = `${milliseconds(quoteIdentifier(timestampColumn), timestampColumn, timestampType)} AS __at`;
  // One thread keeps the rows in the order the query gives them.
  const definition = `ENGINE = ${rows.areFew ? 'Memory' : 'MergeTree ORDER BY __row'} AS
    SELECT *, rowNumberInAllBlocks() AS __row, ${[at, ...keyColumns].join(', ')} FROM (${inline(rows)})
    ${isGuests ? `LIMIT ${maxRows + 1} ` : ''}SETTINGS max_threads = 1, max_insert_threads = 1`;
  let isMade = false;
  const filled = async (table: string): Promise<T> => {
    isMade = true;
    const told = options.hasDigest ? ', lower(hex(sum(reinterpretAsUInt128(sipHash128(toJSONString(tuple(*))))))) AS __digest' : '';
    const doubts = doubtsOf(columns, keys);
    // A name that a query gives is read in its conditions too, so it may be none of the spine's.
    const firsts = doubts.map(({ sql }, index) => `, minOrNullIf(__row, ${sql}) AS __first_${index}`).join('');
    const [found] = await store.query<{ __rows: string; __digest?: string; __blank: string | null } & Record<string, unknown>>(
      `SELECT count() AS __rows, minOrNullIf(__row, __at IS NULL) AS __blank${told}${firsts} FROM ${table} ${EXACT_JSON_ROWS}`,
      undefined,
      { deadlineMs: DEADLINE_MS },
    );
    const count = Number(found?.__rows ?? 0);
    if (count === 0) throw spineFault('the spine has no rows');
    if (count > maxRows)
      throw spineFault(
        `the spine has ${isGuests ? `more than ${maxRows}` : count} rows; at most ${maxRows} are taken (MILLRACE_FEATURES_MAX_TRAINING_ROWS)`,
      );
    const blank = found?.__blank ?? null;
    if (blank !== null) throw await refused(store, table, timestampColumn, Number(blank), 'time (RFC 3339 text or milliseconds)');
    for (const [index, { name, type }] of doubts.entries()) {
      const first = found?.[`__first_${index}`] ?? null;
      if (first !== null) throw await refused(store, table, name, Number(first), type);
    }
    return use({ table, columns, rows: count, digest: found?.__digest ?? '', known: columns.length < described.length });
  };
  try {
    return await scratch.with(definition, filled, { isGuests });
  } catch (error) {
    // What a query of somebody's meets on its way is theirs to mend.
    if (!isGuests || isMade || (error as { code?: unknown }).code !== 'MR_OFFLINE_STORE_REFUSED') throw error;
    throw spineFault(`the spine cannot be read: ${(error as Error).message.slice(0, 1000)}`);
  }
}

/** Conditions on a row with which its set would be wrong or unreadable: keys that are none, which would find no entity, and text that is no text. */
function doubtsOf(columns: readonly TrainingSetColumn[], keys: readonly SpineKey[]): { name: string; sql: string; type: string }[] {
  const typeOf = new Map(columns.map((column) => [column.name, column.type]));
  const ofKeys = keys.map(({ name, type }, index) => {
    const column = quoteIdentifier(name);
    // Frames write a missing number so.
    const isMissing = /^(Nullable\()?Float/.test(typeOf.get(name) ?? '') ? ` AND NOT isNaN(${column})` : '';
    return { name, sql: `${column} IS NOT NULL AND __key_${index} IS NULL${isMissing}`, type: type.name };
  });
  const texts = columns.filter(({ type }) => /^(Nullable\()?String\)?$/.test(type));
  return [...ofKeys, ...texts.map(({ name }) => ({ name, sql: `NOT isValidUTF8(${quoteIdentifier(name)})`, type: UTF8 }))];
}

const UTF8 = 'UTF-8';

async function refused(store: OfflineStore, table: string, name: string, row: number, type: string): Promise<Error> {
  if (type === UTF8)
    return spineFault(`the spine's column ${name} has bytes in row ${row} that are no text in UTF-8; leave it out, or write it as text`);
  const column = quoteIdentifier(name);
  const [found] = await store.query<{ value: unknown }>(`SELECT ${column} AS value FROM ${table} WHERE __row = {row:UInt64}`, { row });
  return noValueOf(name, JSON.stringify(found?.value), row, type);
}

async function describe(store: OfflineStore, rows: Rows): Promise<TrainingSetColumn[]> {
  try {
    const found = await store.query<{ name: string; type: string }>(`DESCRIBE TABLE (${inline(rows)})`, undefined, {
      isGuests: rows.isGuests === true,
      deadlineMs: DEADLINE_MS,
    });
    return found.map(({ name, type }) => ({ name, type: unwrapped(type) }));
  } catch (error) {
    throw spineFault(`the spine cannot be read: ${error instanceof Error ? error.message.slice(0, 1000) : String(error)}`);
  }
}

/** A key's column to cast; the cast alone would cut off what a Decimal has behind its point, and find another entity. */
function keyColumn({ name, type }: SpineKey, declared: string): string {
  const column = quoteIdentifier(name);
  return type.kind !== 'string' && /^(Nullable\()?Decimal/.test(declared) ? `if(${column} = trunc(${column}), ${column}, NULL)` : column;
}

/** Day or month first: nobody but its writer knows which. */
const AMBIGUOUS_DATE = String.raw`^\s*\d{1,2}[-/.]\d{1,2}[-/.]\d`;

/**
 * A time column of any kind, in milliseconds since the epoch; null where it has no time. Numbers that are none of the years 0 to 9999 are microseconds
 * or less, and would be a time after all events there are.
 */
export function milliseconds(column: string, name: string, declared: string): string {
  const found = millisecondsOf(column, declared);
  if (found === undefined) throw spineFault(`timestamp column ${name} is ${declared}; it must be a time, RFC 3339 text or milliseconds`);
  if (/^(Nullable\()?String/.test(declared)) return `if(match(ifNull(${column}, ''), ${quoteString(AMBIGUOUS_DATE)}), NULL, ${found})`;
  if (!/^(Nullable\()?(U?Int|Float)/.test(declared)) return found;
  return `if(${found} BETWEEN ${FIRST_TOLD} AND ${LAST_TOLD}, ${found}, NULL)`;
}
