import { runningOf, type MaterializationState } from '../domain/materialization/materialization.decider.js';

/** How far a source's rows are materialized, and the run that is under way. */
export interface MaterializationStatus {
  /** Rows with event times before it are; null: no run has finished. RFC 3339. */
  readonly watermark: string | null;
  /** The run's id. */
  readonly running: string | null;
}

export function materializationStatus(state: MaterializationState): MaterializationStatus {
  const { watermark } = state;
  return { watermark: watermark === null ? null : new Date(watermark.at).toISOString(), running: runningOf(state)?.id ?? null };
}
