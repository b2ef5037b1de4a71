import { parseEventTime, recordKeyOf, type ColumnType, type SourceEvent, type SourcePlan, type Value } from '@millrace/feature-engine';
import { createHash } from 'node:crypto';

/** Texts of a row by the source's columns; `undefined`: its rows do not give the column. */
export type RowTexts = readonly (string | null | undefined)[];

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const ID_DIGITS = 32;

/** A row as an event's fields. What is not of a column's type stays the text it is, for the reader to refuse with its reason. */
export function fieldsOfRow(plan: SourcePlan, texts: RowTexts): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  plan.columns.forEach(({ name, type }, index) => {
    const text = texts[index];
    if (text !== undefined) fields[name] = text === null ? null : fieldOf(type, text);
  });
  return fields;
}

function fieldOf(type: ColumnType, text: string): unknown {
  if (type.kind !== 'number') return text;
  if (type.isTime) {
    const time = /^-?\d+$/.test(text) ? parseEventTime(Number(text)) : undefined;
    return time === undefined ? text : new Date(time).toISOString();
  }
  if (type.name === 'Bool') return BOOLEANS.get(text.toLowerCase()) ?? text;
  const number = Number(text);
  // What a double cannot hold is told as it is written; JSON would make it null.
  return NUMBER.test(text) && Number.isFinite(number) ? number : text;
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/**
 * The id of a row whose source names no column with one: of the JSON array of its key columns' values, then its event time in milliseconds,
 * the first 32 hexadecimal digits of the SHA-256.
 */
export function computedId(plan: SourcePlan, event: SourceEvent): string {
  const key = plan.key.map((column) => event.values[column] as Value);
  return createHash('sha256')
    .update(recordKeyOf([...key, BigInt(event.time)]))
    .digest('hex')
    .slice(0, ID_DIGITS);
}
