import type { Position } from './position.js';

/** A decision as it is put on the log, before it has a position. Readers accept or void it by `subject` and `sequence`. */
export interface DecisionRecord {
  /** Unique per attempt: a re-decided command makes a new record with the same `commandId`. */
  readonly id: string;
  /** Bare event type, e.g. `RunFinished`. */
  readonly type: string;
  /** Version of the event's schema. */
  readonly version: number;
  /** `<aggregate>/<id>`, e.g. `run/5f0c…`. The aggregate names the decider. */
  readonly subject: string;
  /** 1, 2, 3 … per subject. */
  readonly sequence: number;
  readonly commandId: string;
  readonly actor: string;
  /** Id of the API key the actor showed: two keys of one actor can be told apart. Absent where there was none. */
  readonly keyId?: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly traceparent?: string;
  readonly data: unknown;
}

/** A decision record read back from the log. */
export interface LoggedDecision extends DecisionRecord {
  readonly position: Position;
}

/** Names the decider of a subject: the part before the first slash. */
export function aggregateOf(subject: string): string {
  const slash = subject.indexOf('/');
  return slash < 0 ? subject : subject.slice(0, slash);
}
