import { parseDuration } from '@millrace/feature-engine';

const LONGEST_WAIT_MS = 600_000;

/** How long the caller waits, in milliseconds, as `?wait=` says; not at all unless it does. */
export function waitOf(wait: string | undefined, invalid: (message: string) => Error): number {
  if (wait === undefined) return 0;
  const milliseconds = parseDuration(wait);
  if (milliseconds === undefined || milliseconds > LONGEST_WAIT_MS) throw invalid('wait must be a duration such as 30s, at most 10m');
  return milliseconds;
}
