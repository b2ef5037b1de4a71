const ZERO = 48;
/** The first moment that RFC 3339 can tell, that of the year 0. */
export const FIRST_TOLD = -62_167_219_200_000;
/** The last one, that of the year 9999. */
export const LAST_TOLD = 253_402_300_799_999;

/** What {@link parseEventTime} takes, as a message may say it. */
export const TIME_FORMS = 'a time of the years 0 to 9999: RFC 3339 text or milliseconds';

/**
 * Milliseconds since the epoch of an event time of the years 0 to 9999: a number is milliseconds; text is RFC 3339 (`2001-01-01T12:00:00.5+01:00`), the same with a
 * space, or ClickHouse's `2001-01-01 12:00:00.500`, or a bare date; without a zone it is UTC. Digits below the millisecond are cut off.
 * `undefined`: it is no time.
 */
export function parseEventTime(value: unknown): number | undefined {
  const time = typeof value === 'number' ? Math.floor(value) : typeof value === 'string' ? parseText(value) : undefined;
  // Also false of NaN.
  return time !== undefined && time >= FIRST_TOLD && time <= LAST_TOLD ? time : undefined;
}

/** By hand, because it runs for every event of every source: `Date.parse` takes several times as long and refuses some of these forms. */
function parseText(text: string): number | undefined {
  const length = text.length;
  if (length < 10 || text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 7);
  const day = digits(text, 8, 10);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  const midnight = daysFromEpoch(year, month, day) * 86_400_000;
  if (length === 10) return midnight;
  const separator = text.charCodeAt(10);
  if ((separator !== 84 && separator !== 32 && separator !== 116) || length < 19) return undefined;
  if (text.charCodeAt(13) !== 58 || text.charCodeAt(16) !== 58) return undefined;
  const hour = digits(text, 11, 13);
  const minute = digits(text, 14, 16);
  const second = digits(text, 17, 19);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return undefined;
  let at = 19;
  let fraction = 0;
  if (text.charCodeAt(at) === 46) {
    const from = ++at;
    let scale = 100;
    for (; at < length; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) break;
      fraction += digit * scale;
      scale = Math.floor(scale / 10);
    }
    if (at === from) return undefined;
  }
  const zone = zoneOffset(text, at);
  return zone === undefined ? undefined : midnight + hour * 3_600_000 + minute * 60_000 + second * 1_000 + fraction - zone;
}

function zoneOffset(text: string, at: number): number | undefined {
  if (at === text.length) return 0;
  const sign = text.charCodeAt(at);
  if (sign === 90 || sign === 122) return at + 1 === text.length ? 0 : undefined;
  if (sign !== 43 && sign !== 45) return undefined;
  const colon = text.charCodeAt(at + 3) === 58 ? 1 : 0;
  if (text.length !== at + 5 + colon) return undefined;
  const hours = digits(text, at + 1, at + 3);
  const minutes = digits(text, at + 3 + colon, at + 5 + colon);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return undefined;
  return (sign === 43 ? 1 : -1) * (hours * 60 + minutes) * 60_000;
}

/** The number written at [from, to), or -1. */
function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar. */
function daysFromEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}
