import type { SourceEvent, SourcePlan, Value } from '@millrace/feature-engine';
import { Fault } from '@millrace/kernel';
import { quoteIdentifier, quoteString, quoteTable, RowText, tableExists, type OfflineStore } from '@millrace/offline-store';

/** The table of a source's events. */
export function sourceTable(source: string): string {
  return `millrace.source_${source}`;
}

/** When the log took an event's record, or its producer made it: with it, what was known at a time can be told. */
const APPENDED = `_appended DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4)`;

/** With it, what is new in the table is found without reading what is old. */
const POSITION = 'INDEX _position (_partition, _offset) TYPE minmax GRANULARITY 1';

/** A column as the table has it. */
interface StoredColumn {
  readonly type: string;
  /** It computes what an insert does not give. */
  readonly hasDefault: boolean;
  /** The rows are sorted by it, so ClickHouse neither renames nor alters it. */
  readonly isSorted: boolean;
}

/**
 * Makes the table, or adds the columns it lacks. A table of another topic is made anew. Columns of an earlier schema stay, with their values; a column that may be null
 * since is altered; one whose type has changed otherwise is put aside, and is back when the type is.
 */
export async function ensureSourceTable(store: OfflineStore, plan: SourcePlan): Promise<void> {
  await dropUnfit(store, plan);
  const table = quoteTable(sourceTable(plan.name));
  const columns = plan.columns.map(({ name, type }) => `${quoteIdentifier(name)} ${columnType(type.name, type.nullable)}`);
  const key = keyOf(plan).map(({ name }) => quoteIdentifier(name));
  await store.command(
    `CREATE TABLE IF NOT EXISTS ${table}
     (_topic LowCardinality(String), _partition UInt32, _offset UInt64 CODEC(DoubleDelta, LZ4), _event_time DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4), ${APPENDED}, ${columns.join(', ')}, ${POSITION})
     ENGINE = ReplacingMergeTree ORDER BY (${[...key, '_event_time', '_partition', '_offset'].join(', ')})
     SETTINGS non_replicated_deduplication_window = 1000`,
  );
  const known = await storedColumns(store, plan);
  await putAside(store, table, plan, known);
  const missing = known.has('_appended') ? [] : [APPENDED];
  missing.push(...columns.filter((_, index) => !known.has((plan.columns[index] as SourcePlan['columns'][number]).name)));
  if (missing.length > 0) {
    await store.command(`ALTER TABLE ${table} ${missing.map((column) => `ADD COLUMN IF NOT EXISTS ${column}`).join(', ')}`);
  }
  // As it was, it would hold zeros for nulls.
  const nullable = plan.columns.flatMap(({ name, type }, index) => {
    const before = known.get(name)?.type;
    return type.nullable && before === columnType(type.name, false) ? [`MODIFY COLUMN ${columns[index]}`] : [];
  });
  if (nullable.length > 0) await store.command(`ALTER TABLE ${table} ${nullable.join(', ')}`);
  const [database, name] = sourceTable(plan.name).split('.') as [string, string];
  const [index] = await store.query<object>(
    "SELECT name FROM system.data_skipping_indices WHERE database = {database:String} AND table = {name:String} AND name = '_position'",
    { database, name },
  );
  // Of a table from before there was one: rows that are in it already get theirs when they are merged.
  if (!index) await store.command(`ALTER TABLE ${table} ADD ${POSITION.replace('INDEX', 'INDEX IF NOT EXISTS')}`);
}

async function storedColumns(store: OfflineStore, plan: SourcePlan): Promise<Map<string, StoredColumn>> {
  const [database, name] = sourceTable(plan.name).split('.') as [string, string];
  const found = await store.query<{ name: string; type: string; default_kind: string; is_in_sorting_key: number }>(
    'SELECT name, type, default_kind, is_in_sorting_key FROM system.columns WHERE database = {database:String} AND table = {name:String}',
    { database, name },
  );
  return new Map(
    found.map(({ name: column, type, default_kind: kind, is_in_sorting_key: isSorted }) => [
      column,
      { type, hasDefault: kind !== '', isSorted: isSorted === 1 },
    ]),
  );
}

function keyOf({ columns, key }: SourcePlan): SourcePlan['columns'] {
  return key.map((index) => columns[index] as SourcePlan['columns'][number]);
}

/** What a column of a source is called while its type is another; no column of a source has a name like it. */
function asideName(name: string, type: string): string {
  return `_${name} ${type}`;
}

/** Ends the name of a column that does not have its values yet. */
const UNFILLED = ' unfilled';

/** A column that is stored as another type than the source has now. */
interface Change {
  readonly name: string;
  readonly before: StoredColumn;
  readonly now: string;
  /** Stored under the name it was put aside by: it comes back as it is. */
  readonly earlier: string | undefined;
  readonly unfilled: string;
}

type Alter = (changes: readonly string[]) => Promise<void>;

/**
 * A column of another type takes over what the one before has of it: 5 of an Int32 is 5 of a Float64, and a text that is no number is 0, or null where that may be. What was put
 * aside takes over what comes from then on, for when its type is back. Each step leaves a table that tells what is still to be done, and the old values are in it at every one.
 */
async function putAside(store: OfflineStore, table: string, plan: SourcePlan, known: Map<string, StoredColumn>): Promise<void> {
  const alter: Alter = (changes) =>
    changes.length === 0 ? Promise.resolve() : store.command(`ALTER TABLE ${table} ${changes.join(', ')} SETTINGS mutations_sync = 2`);
  const changes = plan.columns.flatMap((column) => changeOf(column, known) ?? []);
  const sorted = changes.find(({ before }) => before.isSorted);
  if (sorted) {
    const { name, before, now } = sorted;
    const message = `${sourceTable(plan.name)} is sorted by ${name}, which is ${before.type} in it and cannot become ${now}; give the source another topic, or define another source`;
    throw new Fault('MR_OFFLINE_TABLE_UNFIT', message, false);
  }
  // Of a change that did not come to its end, and is not wanted any more.
  const left = [...known.keys()].filter((column) => column.endsWith(UNFILLED) && !changes.some(({ unfilled }) => unfilled === column));
  await drop(alter, left, known);
  for (const change of changes) await bringAbout(alter, change, known);
  await keepTaking(alter, plan, known);
}

/** None of a column that is new, that could be null and need not be any more, or that may be null from now on: the last is altered. */
function changeOf({ name, type }: SourcePlan['columns'][number], known: ReadonlyMap<string, StoredColumn>): Change | undefined {
  const before = known.get(name);
  const [bare, nullable] = [columnType(type.name, false), columnType(type.name, true)];
  const isAltered = type.nullable && before?.isSorted === true;
  if (before === undefined || ([bare, nullable].includes(before.type) && !isAltered)) return undefined;
  const [now, ...others] = type.nullable ? [nullable] : ([bare, nullable] as [string, string]);
  const earlier = [now, ...others].map((one) => asideName(name, one)).find((column) => known.has(column));
  return { name, before, now, earlier, unfilled: `${asideName(name, now)}${UNFILLED}` };
}

async function bringAbout(alter: Alter, { name, before, now, earlier, unfilled }: Change, known: Map<string, StoredColumn>): Promise<void> {
  // Rows from before it was added have it nowhere: their values would be computed later, and ClickHouse may take another column's files for it once it is renamed.
  await alter([`UPDATE ${quoteIdentifier(name)} = ${quoteIdentifier(name)} WHERE true`]);
  if (earlier === undefined && known.get(unfilled)?.hasDefault !== false) {
    const column = quoteIdentifier(unfilled);
    const bare = bareType(now);
    // Where it could not be null before, what it was then is known, and 0 may stand for what it could not hold.
    const kin = bare !== undefined && known.has(asideName(name, bare)) ? quoteIdentifier(asideName(name, bare)) : undefined;
    const taken = takenFrom(name, now);
    const value =
      kin === undefined ? taken : `if(isNull(${taken}), nullIf(${kin}, defaultValueOfTypeName(${quoteString(bare as string)})), ${kin})`;
    await alter([`ADD COLUMN IF NOT EXISTS ${column} ${now} DEFAULT ${value}`]);
    await alter([`MATERIALIZE COLUMN ${column}`]);
    await alter([`MODIFY COLUMN ${column} REMOVE DEFAULT`]);
  }
  // They take from the column of this name, and would go on with the one that is put aside now.
  const taking = [...known].filter(([column, { hasDefault }]) => column.startsWith(`_${name} `) && hasDefault && column !== unfilled);
  await alter(taking.map(([column]) => `MODIFY COLUMN ${quoteIdentifier(column)} REMOVE DEFAULT`));
  for (const [column, stored] of taking) known.set(column, { ...stored, hasDefault: false });
  const aside = asideName(name, before.type);
  // One of this type may have been put aside before the same type without nulls was made this one: it has nothing that this one has not.
  if (known.has(aside)) await drop(alter, [aside], known);
  const next = earlier ?? unfilled;
  const renames = [`${quoteIdentifier(name)} TO ${quoteIdentifier(aside)}`, `${quoteIdentifier(next)} TO ${quoteIdentifier(name)}`];
  await alter(renames.map((rename) => `RENAME COLUMN ${rename}`));
  known.set(name, { type: now, hasDefault: false, isSorted: false, ...(earlier === undefined ? {} : known.get(earlier)) });
  known.delete(next);
  known.set(aside, before);
}

async function drop(alter: Alter, columns: readonly string[], known: Map<string, StoredColumn>): Promise<void> {
  await alter(columns.map((column) => `DROP COLUMN IF EXISTS ${quoteIdentifier(column)}`));
  for (const column of columns) known.delete(column);
}

/** Has what was put aside take what it can hold of each event that comes, and of none while the source does not have the column. */
async function keepTaking(alter: Alter, plan: SourcePlan, known: ReadonlyMap<string, StoredColumn>): Promise<void> {
  const names = new Set(plan.columns.map(({ name }) => name));
  for (const [column, { type, hasDefault }] of known) {
    const [, name] = /^_(\w+) /.exec(column) ?? [];
    if (name === undefined || names.has(name) === hasDefault) continue;
    const quoted = quoteIdentifier(column);
    if (hasDefault) await alter([`MODIFY COLUMN ${quoted} REMOVE DEFAULT`]);
    else await alter([`MODIFY COLUMN ${quoted} DEFAULT ${takenFrom(name, type)}`]);
  }
}

/** Of a type with nulls the one without. */
function bareType(type: string): string | undefined {
  return /^Nullable\((.*)\)$/.exec(type)?.[1];
}

/** What a column of a type can hold of another one. */
function takenFrom(column: string, type: string): string {
  const bare = bareType(type);
  const cast = `accurateCastOrNull(${quoteIdentifier(column)}, ${quoteString(bare ?? type)})`;
  return bare === undefined ? `ifNull(${cast}, defaultValueOfTypeName(${quoteString(type)}))` : cast;
}

/**
 * A source that was given another topic starts anew: events of the one before have the same offsets, so they would be taken for its own, or its own
 * for theirs. They are in their log, and come back from it when the source does. The table is dropped, as ClickHouse would take what it was given
 * once for a repetition; and one without events is, when it is not sorted by the key as it is now: what a table is sorted by stays as it was made.
 */
async function dropUnfit(store: OfflineStore, plan: SourcePlan): Promise<void> {
  if (!(await tableExists(store, sourceTable(plan.name)))) return;
  const table = quoteTable(sourceTable(plan.name));
  const [other] = await store.query<object>(`SELECT 1 FROM ${table} WHERE _topic != {topic:String} LIMIT 1`, { topic: plan.topic });
  if (other || !(await isSortedAsPlanned(store, plan))) await store.command(`DROP TABLE ${table} SYNC`);
}

/** True as well of a table with events: it is told where it does not fit. */
async function isSortedAsPlanned(store: OfflineStore, plan: SourcePlan): Promise<boolean> {
  const known = await storedColumns(store, plan);
  const sorted = [...known].filter(([column, { isSorted }]) => isSorted && !column.startsWith('_'));
  const key = new Map(keyOf(plan).map(({ name, type }) => [name, columnType(type.name, false)]));
  if (sorted.length === key.size && sorted.every(([column, { type }]) => key.get(column) === type)) return true;
  return (await store.query<object>(`SELECT 1 FROM ${quoteTable(sourceTable(plan.name))} LIMIT 1`)).length > 0;
}

/** A declared type as a column's: times are in UTC, whatever the server's zone is. */
export function columnType(name: string, nullable: boolean): string {
  const precision = /^DateTime64\((\d)/.exec(name);
  const type = precision
    ? `DateTime64(${precision[1]}, 'UTC')`
    : name === 'DateTime'
      ? `DateTime('UTC')`
      : name === 'Date'
        ? 'Date32'
        : name;
  return nullable ? `Nullable(${type})` : type;
}

/**
 * Writes an event as fields of JSONEachRow, from the engine's values and not from the producer's text: what is stored is what was
 * counted online, to the bit.
 */
export function sourceRow(plan: SourcePlan, event: SourceEvent, appended: number): RowText {
  let text = `"_event_time":"${timeText(event.time)}","_appended":"${appendedText(appended)}"`;
  const names = jsonNames(plan);
  for (let index = 0; index < names.length; index++) {
    const value = event.values[index] as Value;
    text += names[index];
    if (value === null) text += 'null';
    else if (typeof value === 'string') text += JSON.stringify(value);
    else if ((plan.columns[index] as SourcePlan['columns'][number]).type.isTime) text += `"${timeTextOf(plan, index, value as number)}"`;
    else text += String(value);
  }
  return new RowText(text);
}

const NAMES = new WeakMap<SourcePlan, string[]>();

function jsonNames(plan: SourcePlan): string[] {
  let names = NAMES.get(plan);
  if (!names) NAMES.set(plan, (names = plan.columns.map((column) => `,${JSON.stringify(column.name)}:`)));
  return names;
}

function timeTextOf(plan: SourcePlan, index: number, milliseconds: number): string {
  const { name } = (plan.columns[index] as SourcePlan['columns'][number]).type;
  const text = timeText(milliseconds);
  if (name === 'Date') return text.slice(0, 10);
  return name === 'DateTime' ? text.slice(0, 19) : text;
}

let lastAppended = Number.NaN;
let lastAppendedText = '';

/** The last millisecond of 2199: a producer's clock may say anything, a column may not. */
const LATEST_APPENDED = Date.UTC(2200, 0, 1) - 1;

/** Records that were appended together share their time. */
function appendedText(timestamp: number): string {
  const milliseconds = Math.min(Math.max(timestamp, 0), LATEST_APPENDED);
  if (milliseconds !== lastAppended) {
    lastAppended = milliseconds;
    lastAppendedText = new Date(milliseconds).toISOString().slice(0, 23).replace('T', ' ');
  }
  return lastAppendedText;
}

const DAY_MS = 86_400_000;
const TWO = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
/** `hh:mm:` by minute of the day. */
const MINUTES = Array.from({ length: 1_440 }, (_, minute) => `${TWO[Math.floor(minute / 60)]}:${TWO[minute % 60]}:`);
let lastDay = Number.NaN;
let lastText = '';

/** `YYYY-MM-DD hh:mm:ss.mmm`. The day is what costs, and neighbouring events share it; an event's times differ in the rest. */
function timeText(milliseconds: number): string {
  const day = Math.floor(milliseconds / DAY_MS);
  if (day !== lastDay) {
    lastDay = day;
    lastText = new Date(day * DAY_MS).toISOString().slice(0, 11).replace('T', ' ');
  }
  const inDay = milliseconds - day * DAY_MS;
  const minutes = Math.floor(inDay / 60_000);
  const inMinute = inDay - minutes * 60_000;
  const seconds = Math.floor(inMinute / 1_000);
  const rest = inMinute - seconds * 1_000;
  return `${lastText}${MINUTES[minutes]}${TWO[seconds]}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`;
}
