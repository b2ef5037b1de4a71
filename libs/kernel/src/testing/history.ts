import { createHash } from 'node:crypto';
import { canonical } from '../canonical.js';
import type { Event, EventContext } from '../decider.js';

/** What a history has been folded to, and how it got there. */
export interface FoldedHistory<State> {
  readonly state: State;
  /**
   * Of the state after each event, the first 12 hex digits of the SHA-256 over its canonical text. Written down in a test, they say which
   * old event is folded to something else than before; an event added at the end adds one and changes none.
   */
  readonly digests: readonly string[];
}

/**
 * Folds the events of one subject in order. The context is made up and always the same, so that expected states can be written down:
 * the n-th event has sequence n and time n.
 */
export function foldHistory<State, E extends Event>(
  decider: { initial(): State; evolve(state: State, event: E, context: EventContext): State },
  subject: string,
  events: readonly E[],
): FoldedHistory<State> {
  let state = decider.initial();
  const digests = events.map((event, index) => {
    state = decider.evolve(state, event, { subject, sequence: index + 1, time: index + 1, actor: 'ann' });
    return createHash('sha256').update(canonical(state)).digest('hex').slice(0, 12);
  });
  return { state, digests };
}
