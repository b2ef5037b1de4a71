import { Status, STATUS_NAMES, type FeatureColumn, type Value } from '@millrace/feature-engine';
import type { OnlineFeatures } from '../../queries/get-online-features.query.js';

/** When nothing is known of a value, Feast says it is of the epoch. */
const EPOCH = '"1970-01-01T00:00:00Z"';
const QUOTED = STATUS_NAMES.map((name) => `"${name}"`);
/** Feast's own server knows no more than whether there is a row. */
const STRICT = QUOTED.map((name, status) => (status === Status.NULL_VALUE ? (QUOTED[Status.PRESENT] as string) : name));

/**
 * Feast's answer, column by column, join keys first, then the features in the order asked for. Written straight to text: the values are
 * few kinds, and building the objects first would cost more than all the rest.
 */
export function writeFeastResponse(names: readonly string[], answer: OnlineFeatures, isStrict: boolean): string {
  const { joinKeys, vectors, rows } = answer;
  const statusNames = isStrict ? STRICT : QUOTED;
  const present = listOf(rows, () => QUOTED[Status.PRESENT] as string);
  const epochs = listOf(rows, () => EPOCH);
  let text = '{"results":[';
  for (const { type, values } of joinKeys) {
    text += `{"values":[${valuesText(type, values)}],"statuses":[${present}],"event_timestamps":[${epochs}]},`;
  }
  // Features of one view mostly share their statuses and times, row by row: what was written for one column serves the next.
  let before: FeatureColumn | undefined;
  let statuses = '';
  let stamps = '';
  for (let index = 0; index < vectors.columns.length; index++) {
    const column = vectors.columns[index] as FeatureColumn;
    if (!before || !isEqual(before.statuses, column.statuses)) statuses = statusesText(column.statuses, statusNames, present);
    if (!before || !isEqual(before.times, column.times)) stamps = stampsText(column.times);
    text += `${index === 0 ? '' : ','}{"values":[${valuesText(column.type, column.values)}],"statuses":[${statuses}],"event_timestamps":[${stamps}]}`;
    before = column;
  }
  const metadata = { feature_names: [...joinKeys.map((key) => key.name), ...names], ...(isStrict ? {} : { positions: vectors.positions }) };
  return `${text}],"metadata":${JSON.stringify(metadata)}}`;
}

/** Joined, not added up: a text that was added up is copied piece by piece each time it is used, and these are used once a column. */
function listOf(length: number, item: (row: number) => string): string {
  return length === 1 ? item(0) : Array.from({ length }, (_, row) => item(row)).join();
}

function isEqual(one: readonly number[], other: readonly number[]): boolean {
  for (let row = 0; row < one.length; row++) if (one[row] !== other[row]) return false;
  return true;
}

function statusesText(statuses: readonly Status[], names: readonly string[], present: string): string {
  if (statuses.every((status) => status === Status.PRESENT)) return present;
  return listOf(statuses.length, (row) => names[statuses[row] as number] as string);
}

function stampsText(times: readonly number[]): string {
  return listOf(times.length, (row) => timeText(times[row] as number));
}

/** Values as Feast writes their type: a time is seconds since the epoch, and a float has a point, which is all its client tells one by. */
function valuesText(type: string, values: readonly Value[]): string {
  if (type === 'Float64' || type === 'Float32')
    return values.some((value) => Number.isInteger(value)) ? joined(values, floatText) : listText(values);
  if (type === 'Bool') return joined(values, boolText);
  if (type.startsWith('Date')) return joined(values, secondsText);
  return type.endsWith('Int64') ? joined(values, String) : listText(values);
}

/** One native call writes a column faster than one a value; of one number, none does. */
function listText(values: readonly Value[]): string {
  const [value] = values;
  if (values.length === 1 && typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  return JSON.stringify(values).slice(1, -1);
}

function joined(values: readonly Value[], write: (value: Value) => string): string {
  return listOf(values.length, (row) => {
    const value = values[row] as Value;
    return value === null ? 'null' : write(value);
  });
}

/** From here on numbers are written with an exponent. */
const LONGEST_DIGITS = 1e21;

function floatText(value: Value): string {
  const number = value as number;
  return Number.isInteger(number) && Math.abs(number) < LONGEST_DIGITS ? `${number}.0` : String(number);
}

function boolText(value: Value): string {
  return value === 0 ? 'false' : 'true';
}

function secondsText(value: Value): string {
  return String(Number(value) / 1000);
}

const DAY_MS = 86_400_000;
const TWO = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
let lastDay = 0;
let lastDate = '"1970-01-01T';

/** RFC 3339, in milliseconds where there are any. The day is what costs, and the times of one answer mostly share it. */
function timeText(milliseconds: number): string {
  if (milliseconds === 0) return EPOCH;
  const day = Math.floor(milliseconds / DAY_MS);
  if (day !== lastDay) {
    lastDay = day;
    lastDate = `"${new Date(day * DAY_MS).toISOString().slice(0, -'00:00:00.000Z'.length)}`;
  }
  const inDay = milliseconds - day * DAY_MS;
  const seconds = Math.floor(inDay / 1000);
  const rest = inDay - seconds * 1000;
  const minutes = Math.floor(seconds / 60);
  const time = `${TWO[Math.floor(minutes / 60)] as string}:${TWO[minutes % 60] as string}:${TWO[seconds % 60] as string}`;
  return rest === 0 ? `${lastDate}${time}Z"` : `${lastDate}${time}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z"`;
}
