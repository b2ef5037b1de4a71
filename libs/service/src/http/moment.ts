const FIRST = Date.parse('0000-01-01T00:00:00Z');
/** The last one that RFC 3339 has a year for. */
export const LAST_MOMENT = Date.parse('9999-12-31T23:59:59.999Z');

/** A time as RFC 3339 writes it; `null` for one that it has no year for: clients may give a run any number, and a request may wait for ages. */
export function momentText(milliseconds: number | null): string | null {
  if (milliseconds === null || milliseconds < FIRST || milliseconds > LAST_MOMENT) return null;
  return new Date(milliseconds).toISOString();
}
