import { runningOf, watermarkOf, type MaterializationState } from './materialization.decider.js';

/**
 * The end of the run that is due now: the last multiple of the cadence, counted from 1970 in UTC. `undefined`: none is due, because one is
 * running, or because the time up to there is done or was tried. However many were missed, one run makes up for them.
 */
export function dueSlot(state: MaterializationState, version: number, everyMs: number, now: number): number | undefined {
  if (runningOf(state)) return undefined;
  const slot = Math.floor(now / everyMs) * everyMs;
  const watermark = watermarkOf(state, version);
  if (watermark !== undefined && watermark >= slot) return undefined;
  // One that failed is tried again when the next is due, and takes what it left.
  return state.runs.some((run) => run.trigger === 'schedule' && run.version === version && run.to >= slot) ? undefined : slot;
}
