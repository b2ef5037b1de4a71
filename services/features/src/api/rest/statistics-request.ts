import { parseDuration, parseEventTime, TIME_FORMS } from '@millrace/feature-engine';
import { ProblemError } from '@millrace/service';
import type { StatisticsSelection } from '../../statistics/read-statistics.js';

const HOUR_MS = 3_600_000;
const MOST_INTERVALS = 10_000;

export type StatisticsQuery = Readonly<Record<string, string | string[] | undefined>>;

/** `from`, `to` and `every` of a request. Names of other fields it may have are `others`. */
export function selectionOf(query: StatisticsQuery, others: readonly string[]): StatisticsSelection {
  const known = ['from', 'to', 'every', ...others];
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`there is no field ${unknown}; the fields are ${known.join(', ')}`);
  const from = time(query, 'from');
  const to = time(query, 'to');
  if (from !== undefined && to !== undefined && to <= from) throw invalid('to must be later than from');
  const every = one(query, 'every') ?? '1h';
  const everyMs = parseDuration(every);
  if (everyMs === undefined || everyMs < HOUR_MS || everyMs % HOUR_MS !== 0)
    throw invalid(`every must be whole hours such as 1h, 6h, 1d or 1w, not ${JSON.stringify(every)}`);
  if (from !== undefined && to !== undefined && (to - from) / everyMs > MOST_INTERVALS)
    throw invalid(
      `from ${one(query, 'from')} to ${one(query, 'to')} every ${every} are more than ${MOST_INTERVALS} intervals; ask for longer ones`,
    );
  // An interval is whole, or its numbers would be of another width than they say.
  return {
    from: from === undefined ? undefined : Math.floor(from / everyMs) * everyMs,
    to: to === undefined ? undefined : Math.ceil(to / everyMs) * everyMs,
    everyMs,
  };
}

/** The values of a field that may be given several times or with commas. */
export function listOf(query: StatisticsQuery, name: string): string[] {
  const given = query[name];
  return (given === undefined ? [] : Array.isArray(given) ? given : [given])
    .flatMap((text) => text.split(','))
    .filter((text) => text !== '');
}

/** A field that is given once or not at all. */
export function one(query: StatisticsQuery, name: string): string | undefined {
  const given = query[name];
  if (Array.isArray(given)) throw invalid(`${name} is given more than once`);
  return given;
}

export function invalid(message: string): ProblemError {
  return new ProblemError(400, 'MR_FEATURES_STATISTICS_INVALID', message);
}

function time(query: StatisticsQuery, name: string): number | undefined {
  const text = one(query, name);
  if (text === undefined) return undefined;
  const parsed = parseEventTime(/^\d+$/.test(text) ? Number(text) : text);
  if (parsed === undefined) throw invalid(`${name} must be ${TIME_FORMS}, not ${JSON.stringify(text)}`);
  return parsed;
}
