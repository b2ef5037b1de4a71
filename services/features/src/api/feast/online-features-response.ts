import { Status, STATUS_NAMES, type Value } from '@millrace/feature-engine';
import type { OnlineFeatures } from '../../queries/get-online-features.query.js';

/** When nothing is known of a value, Feast says it is of the epoch. */
const EPOCH = '"1970-01-01T00:00:00Z"';
const QUOTED = STATUS_NAMES.map((name) => `"${name}"`);

/**
 * Feast's answer, column by column, join keys first, then the features in the order asked for. Written straight to text: the values are
 * few kinds, and building the objects first would cost more than all the rest.
 */
export function writeFeastResponse(names: readonly string[], { joinKeys, vectors, rows }: OnlineFeatures): string {
  let text = '{"results":[';
  const present = repeat(QUOTED[Status.PRESENT] as string, rows);
  const epochs = repeat(EPOCH, rows);
  for (const { type, values } of joinKeys) {
    text += `{"values":[${values.map((value) => valueText(type, value)).join(',')}],"statuses":[${present}],"event_timestamps":[${epochs}]},`;
  }
  for (let index = 0; index < vectors.columns.length; index++) {
    const { type, values, statuses, times } = vectors.columns[index] as (typeof vectors.columns)[number];
    let written = '';
    let status = '';
    let stamps = '';
    for (let row = 0; row < rows; row++) {
      const comma = row === 0 ? '' : ',';
      written += comma + valueText(type, values[row] as Value);
      status += comma + (QUOTED[statuses[row] as number] as string);
      stamps += comma + timeText(times[row] as number);
    }
    text += `${index === 0 ? '' : ','}{"values":[${written}],"statuses":[${status}],"event_timestamps":[${stamps}]}`;
  }
  const { positions } = vectors;
  return `${text}],"metadata":{"feature_names":${JSON.stringify([...joinKeys.map((key) => key.name), ...names])},"positions":${JSON.stringify(positions)}}}`;
}

/** A value as Feast writes its type; a time is seconds since the epoch. */
function valueText(type: string, value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (type === 'Bool') return value === 0 ? 'false' : 'true';
  if (type.startsWith('Date')) return String(Number(value) / 1000);
  return String(value);
}

let lastTime = 0;
let lastText = EPOCH;

/** RFC 3339; neighbours in a column are often of one event. */
function timeText(milliseconds: number): string {
  if (milliseconds !== lastTime) {
    lastTime = milliseconds;
    const text = new Date(milliseconds).toISOString();
    lastText = text.endsWith('.000Z') ? `"${text.slice(0, 19)}Z"` : `"${text}"`;
  }
  return lastText;
}

function repeat(item: string, times: number): string {
  return times === 0 ? '' : `${`${item},`.repeat(times - 1)}${item}`;
}
