/** Data of `millrace.experimentation.OutcomeRecorded.v1`, as a rollout reads it: something measured of the unit, at the event's time. */
export interface OutcomeRecorded {
  /** Name of the Experiment or Rollout it was told for. */
  readonly experiment: string;
  readonly unit: string;
  readonly metric: string;
  readonly value: number;
}
