import { FIRST_TOLD, type SourcePlan } from '@millrace/feature-engine';
import { quoteIdentifier, type OfflineStore, type SqlParameters } from '@millrace/offline-store';
import { millisecondsOf, unwrapped } from '../sources/time-column.js';
import { batchFault } from './batch-fault.js';

export interface GivenColumn {
  readonly name: string;
  /** In ClickHouse's words. */
  readonly type: string;
}

const DEADLINE_MS = 60_000;

/** Of rows without an event time, so that they are counted. */
export const NO_TIME = -(2 ** 53);

/** An interval of event time, milliseconds since the epoch; null: from the first row. */
export interface Interval {
  readonly from: number | null;
  readonly to: number;
}

/** The columns a statement gives. */
export async function columnsOf(store: OfflineStore, sql: string, what: string): Promise<GivenColumn[]> {
  try {
    const found = await store.query<GivenColumn>(`DESCRIBE TABLE (${sql})`, undefined, { isGuests: true, deadlineMs: DEADLINE_MS });
    return found.map(({ name, type }) => ({ name, type: unwrapped(type) }));
  } catch (error) {
    if ((error as { retryable?: boolean }).retryable !== false) throw error;
    throw batchFault(`${what} cannot be read: ${error instanceof Error ? error.message.slice(0, 1_000) : String(error)}`);
  }
}

/**
 * A query of `(time, id, text of each column)` of the rows in an interval, in the order of {@link stagedColumns}; each column but a computed id
 * has to be there. Every value goes as text: what it is read as is for the source's schema to say, whatever gave it.
 */
export function selectRows(
  plan: SourcePlan,
  hasComputedId: boolean,
  given: readonly GivenColumn[],
  from: { readonly sql: string; readonly what: string },
  interval: Interval,
): { sql: string; parameters: SqlParameters } {
  const typeOf = new Map(given.map(({ name, type }) => [name, type]));
  const own = ownColumns(plan, hasComputedId);
  checkColumns(plan, own, given, from.what);
  const eventTime = (plan.columns[plan.eventTime] as SourcePlan['columns'][number]).name;
  const timeType = typeOf.get(eventTime) as string;
  const time = millisecondsOf(quoteIdentifier(eventTime), timeType);
  if (time === undefined)
    throw batchFault(`column ${eventTime} of ${from.what} is ${timeType}; an event time is a time, RFC 3339 text or milliseconds`);
  const texts = own.map(({ name, isTime }) => textOf(name, typeOf.get(name) as string, isTime));
  const id = hasComputedId
    ? `toJSONString([${plan.key.map((column) => `ifNull(${textAt(plan, column, typeOf)}, '')`).join(', ')}])`
    : `ifNull(${textAt(plan, plan.eventId, typeOf)}, '')`;
  // Compared as it is where it can be, so that ClickHouse reads no more of a table than it has to.
  const isNative = /^(Nullable\()?DateTime/.test(timeType);
  const left = isNative ? quoteIdentifier(eventTime) : time;
  const right = (name: string): string => (isNative ? `fromUnixTimestamp64Milli({${name}:Int64}, 'UTC')` : `{${name}:Int64}`);
  const inside = [...(interval.from === null ? [] : [`${left} >= ${right('from')}`]), `${left} < ${right('to')}`].join(' AND ');
  const blank = /^(Nullable|String|Float|U?Int(64|128|256))/.test(timeType) ? ` OR (${time}) IS NULL` : '';
  // No event is of a time before that one, and no answer can tell it: the row is rejected for its text, as one of the year 0.
  const told = `if(${time} < ${FIRST_TOLD}, ${FIRST_TOLD}, ${time})`;
  return {
    // An id that is no text is only to be told from others: its row is rejected.
    sql: `SELECT ifNull(${told}, ${NO_TIME}), if(isValidUTF8(${id}), ${id}, hex(${id})), ${texts.join(', ')} FROM ${from.sql} AS given WHERE (${inside})${blank}`,
    parameters: { to: interval.to, ...(interval.from === null ? {} : { from: interval.from }) },
  };
}

/** Refuses rows without a column that the schema names. */
export function checkColumns(
  plan: SourcePlan,
  own: readonly { readonly name: string }[],
  given: readonly { readonly name: string }[],
  what: string,
): void {
  const has = new Set(given.map(({ name }) => name));
  const missing = own.filter(({ name }) => !has.has(name)).map(({ name }) => name);
  if (missing.length === 0) return;
  const columns = given.map(({ name }) => name).join(', ');
  throw batchFault(`${what} has no column ${missing.join(', ')}, which the schema of source ${plan.name} names; it has ${columns}`);
}

/** Of the table the rows are staged in. */
export function stagedColumns(plan: SourcePlan, hasComputedId: boolean): string {
  return `__time Int64, __id String, ${ownColumns(plan, hasComputedId)
    .map(({ index }) => `__c${index} Nullable(String)`)
    .join(', ')}`;
}

/** The source's columns that its rows have to give. */
export function ownColumns(plan: SourcePlan, hasComputedId: boolean): { name: string; index: number; isTime: boolean }[] {
  return plan.columns.flatMap(({ name, type }, index) =>
    hasComputedId && index === plan.eventId ? [] : [{ name, index, isTime: type.isTime }],
  );
}

function textAt(plan: SourcePlan, index: number, typeOf: ReadonlyMap<string, string>): string {
  const { name, type } = plan.columns[index] as SourcePlan['columns'][number];
  return textOf(name, typeOf.get(name) as string, type.isTime);
}

/** A time's own milliseconds do not depend on the zone it would be shown in; text stays for the event's reader. */
function textOf(name: string, declared: string, isTime: boolean): string {
  const isText = /^(Nullable\()?String/.test(declared);
  const time = isTime && !isText ? millisecondsOf(quoteIdentifier(name), declared) : undefined;
  return `toString(${time ?? quoteIdentifier(name)})`;
}
