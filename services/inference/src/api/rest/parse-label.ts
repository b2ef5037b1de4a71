import { fieldsOf } from '@millrace/service';
import type { LabelRecorded } from '../../domain/prediction/label.js';
import { LABEL } from './bodies.js';

export type ParsedLabel =
  { readonly ok: true; readonly id: string | undefined; readonly label: LabelRecorded } | { readonly ok: false; readonly reason: string };

export const DEFAULT_LABEL = 'label';

const FIELDS: readonly string[] = fieldsOf(LABEL);

/** Clocks may be wrong, and zones mistaken; of a prediction's labels the latest counts, so one from far ahead could never be corrected. */
const MOST_AHEAD_MS = 24 * 3_600_000;
/** The last that a date can say. */
const LAST_TIME = 8.64e15;

/** Reads one label as clients send it. `now` is the time of a label that says none. */
export function parseLabel(deployment: string, value: unknown, now: number): ParsedLabel {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return no('a label is an object');
  const given = value as Record<string, unknown>;
  const unknown = Object.keys(given).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) return no(`there is no field ${JSON.stringify(unknown)}; the fields are ${FIELDS.join(', ')}`);
  const { id, name = DEFAULT_LABEL, predictionId = null, row = 0, unit = null, value: truth } = given;
  if (id !== undefined && (typeof id !== 'string' || id === '')) return no('id must be a non-empty string');
  if (typeof name !== 'string' || name === '') return no('name must be a non-empty string');
  if (!Number.isInteger(row) || (row as number) < 0) return no('row must be an integer of 0 or more');
  if (predictionId !== null && (typeof predictionId !== 'string' || predictionId === ''))
    return no('predictionId must be a non-empty string');
  if (unit !== null && typeof unit !== 'string') return no('unit must be a string');
  const predictedAt = timeOf(given['predictedAt']);
  if (predictedAt === undefined) return no('predictedAt must be ISO 8601 or milliseconds since the epoch');
  if (predictionId === null && (unit === null || predictedAt === null)) return no('give predictionId, or unit and predictedAt');
  if (typeof truth !== 'string' && typeof truth !== 'boolean' && !(typeof truth === 'number' && Number.isFinite(truth)))
    return no('value must be a number, a boolean or a string');
  const time = timeOf(given['time']);
  if (time === undefined) return no('time must be ISO 8601 or milliseconds since the epoch');
  if (time !== null && time > now + MOST_AHEAD_MS)
    return no(
      `time is ${new Date(Math.min(time, LAST_TIME)).toISOString()}, in the future; it is when the value was known, and no later label would count`,
    );
  const label = {
    deployment,
    name,
    predictionId: predictionId,
    row: row as number,
    unit: unit,
    predictedAt,
    value: truth,
    time: time ?? now,
  };
  return { ok: true, id: id, label };
}

function no(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}

/** `null` when absent, `undefined` when it is no time. */
function timeOf(value: unknown): number | null | undefined {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  const time = Date.parse(value);
  return Number.isNaN(time) ? undefined : time;
}
