import type { TraceCounts } from '../../../queries/trace-counts.query.js';

/** Added to each of the four cells when a small sample is smoothed (Jeffreys' prior). */
const JEFFREYS = 0.5;

export interface Correlation {
  /** Normalised pointwise mutual information: -1 never together, 0 independent, 1 always together. NaN where it is not defined. */
  readonly npmi: number;
  readonly smoothed: number;
}

/** How much two properties of traces go together. */
export function correlationOf({ total, first, second, both }: TraceCounts): Correlation {
  if (total === 0 || first === 0 || second === 0) return { npmi: Number.NaN, smoothed: Number.NaN };
  return { npmi: both === 0 ? -1 : npmi(total, first, second, both), smoothed: smoothed(total, first, second, both) };
}

function smoothed(total: number, first: number, second: number, both: number): number {
  if (both === total) return 1;
  return npmi(total + 4 * JEFFREYS, first + 2 * JEFFREYS, second + 2 * JEFFREYS, both + JEFFREYS);
}

function npmi(total: number, first: number, second: number, both: number): number {
  // What is true of every trace and what is true of every trace always go together, though neither tells anything of the other.
  if (both === total) return 1;
  return Math.max(-1, Math.min(1, Math.log((both * total) / (first * second)) / -Math.log(both / total)));
}
