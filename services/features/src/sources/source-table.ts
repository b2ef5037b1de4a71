import type { SourceEvent, SourcePlan, Value } from '@millrace/feature-engine';
import { quoteIdentifier, quoteString, quoteTable, RowText, tableExists, type OfflineStore } from '@millrace/offline-store';

/** The table of a source's events. */
export function sourceTable(source: string): string {
  return `millrace.source_${source}`;
}

/** When the log took an event's record, or its producer made it: with it, what was known at a time can be told. */
const APPENDED = `_appended DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4)`;

/** With it, what is new in the table is found without reading what is old. */
const POSITION = 'INDEX _position (_partition, _offset) TYPE minmax GRANULARITY 1';

/**
 * Makes the table, or adds the columns it lacks. A table of another topic is made anew. Columns of an earlier schema stay, with their values; a column that may be null
 * since is altered; one whose type has changed otherwise is put aside, and is back when the type is.
 */
export async function ensureSourceTable(store: OfflineStore, plan: SourcePlan): Promise<void> {
  await dropOfOtherTopic(store, plan);
  const table = quoteTable(sourceTable(plan.name));
  const columns = plan.columns.map(({ name, type }) => `${quoteIdentifier(name)} ${columnType(type.name, type.nullable)}`);
  const key = plan.key.map((index) => quoteIdentifier((plan.columns[index] as SourcePlan['columns'][number]).name));
  await store.command(
    `CREATE TABLE IF NOT EXISTS ${table}
     (_topic LowCardinality(String), _partition UInt32, _offset UInt64 CODEC(DoubleDelta, LZ4), _event_time DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4), ${APPENDED}, ${columns.join(', ')}, ${POSITION})
     ENGINE = ReplacingMergeTree ORDER BY (${[...key, '_event_time', '_partition', '_offset'].join(', ')})
     SETTINGS non_replicated_deduplication_window = 1000`,
  );
  const [database, name] = sourceTable(plan.name).split('.') as [string, string];
  const found = await store.query<{ name: string; type: string }>(
    'SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {name:String}',
    { database, name },
  );
  const known = new Map(found.map((column) => [column.name, column.type]));
  await putAside(store, table, plan, known);
  const missing = known.has('_appended') ? [] : [APPENDED];
  missing.push(...columns.filter((_, index) => !known.has((plan.columns[index] as SourcePlan['columns'][number]).name)));
  if (missing.length > 0) {
    await store.command(`ALTER TABLE ${table} ${missing.map((column) => `ADD COLUMN IF NOT EXISTS ${column}`).join(', ')}`);
  }
  // As it was, it would hold zeros for nulls.
  const nullable = plan.columns.flatMap(({ name, type }, index) => {
    const before = known.get(name);
    return type.nullable && before === columnType(type.name, false) ? [`MODIFY COLUMN ${columns[index]}`] : [];
  });
  if (nullable.length > 0) await store.command(`ALTER TABLE ${table} ${nullable.join(', ')}`);
  const [index] = await store.query<object>(
    "SELECT name FROM system.data_skipping_indices WHERE database = {database:String} AND table = {name:String} AND name = '_position'",
    { database, name },
  );
  // Of a table from before there was one: rows that are in it already get theirs when they are merged.
  if (!index) await store.command(`ALTER TABLE ${table} ADD ${POSITION.replace('INDEX', 'INDEX IF NOT EXISTS')}`);
}

/**
 * A column of another type takes over what the one before has of it: 5 of an Int32 is 5 of a Float64, and a text that is no number is 0, or null where that may be. What was put
 * aside has a name that no column of a source has.
 */
async function putAside(store: OfflineStore, table: string, { columns }: SourcePlan, known: Map<string, string>): Promise<void> {
  const alter = (change: string): Promise<void> => store.command(`ALTER TABLE ${table} ${change} SETTINGS mutations_sync = 2`);
  const rename = async (from: string, to: string): Promise<void> => {
    await alter(`RENAME COLUMN IF EXISTS ${quoteIdentifier(from)} TO ${quoteIdentifier(to)}`);
    known.set(to, known.get(from) as string);
    known.delete(from);
  };
  for (const { name, type } of columns) {
    const before = known.get(name);
    const [now, bare] = [columnType(type.name, type.nullable), columnType(type.name, false)];
    // A column that could be null takes whatever the same type without nulls does, and one that could not is altered.
    if (before === undefined || before === bare || before === columnType(type.name, true)) continue;
    const aside = `_${name} ${before}`;
    await rename(name, aside);
    const earlier = `_${name} ${now}`;
    if (known.has(earlier)) {
      await rename(earlier, name);
      continue;
    }
    const column = quoteIdentifier(name);
    const from = `accurateCastOrNull(${quoteIdentifier(aside)}, ${quoteString(bare)})`;
    const value = type.nullable ? from : `ifNull(${from}, defaultValueOfTypeName(${quoteString(bare)}))`;
    await alter(`ADD COLUMN IF NOT EXISTS ${column} ${now} DEFAULT ${value}`);
    await alter(`MATERIALIZE COLUMN ${column}`);
    await alter(`MODIFY COLUMN ${column} REMOVE DEFAULT`);
    known.set(name, now);
  }
}

/**
 * A source that was given another topic starts anew: events of the one before have the same offsets, so they would be taken for its own, or its own
 * for theirs. They are in their log, and come back from it when the source does. The table is dropped, as ClickHouse would take what it was given
 * once for a repetition.
 */
async function dropOfOtherTopic(store: OfflineStore, { name, topic }: SourcePlan): Promise<void> {
  if (!(await tableExists(store, sourceTable(name)))) return;
  const table = quoteTable(sourceTable(name));
  const [other] = await store.query<object>(`SELECT 1 FROM ${table} WHERE _topic != {topic:String} LIMIT 1`, { topic });
  if (other) await store.command(`DROP TABLE ${table} SYNC`);
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
