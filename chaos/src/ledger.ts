/** A run the platform said it has. */
export interface AcknowledgedRun {
  readonly runId: string;
  readonly param: string;
  readonly points: number;
}

/**
 * What the platform acknowledged, as the clients saw it. What was sent without a reply is *unknown*: it may be there once or not at all,
 * and is never sent again.
 */
export class Ledger {
  readonly runs: AcknowledgedRun[] = [];
  readonly events = new Map<string, { entity: string; value: number }>();
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
