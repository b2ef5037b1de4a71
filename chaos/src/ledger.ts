/** A run the platform said it has. */
export interface LoggedRun {
  readonly runId: string;
  readonly param: string;
  /** Points it said it has. */
  points: number;
  /** Points of the batch that got no reply. */
  unknownPoints: number;
}

/**
 * What the platform acknowledged, as the clients saw it. What was sent without a reply is *unknown*: it may be there once or not at all,
 * and is never sent again.
 */
export class Ledger {
  readonly runs: LoggedRun[] = [];
  readonly events = new Map<string, { entity: string; value: number }>();
  /** Calls of log-batch that were acknowledged. */
  batches = 0;
  unknownRuns = 0;
  unknownEvents = 0;
  #nextEvent = 0;
  #nextRun = 0;

  eventId(): number {
    return this.#nextEvent++;
  }

  runNumber(): number {
    return this.#nextRun++;
  }
}
