/** Data of `millrace.experimentation.UnitExposed.v1`: the unit met the variant, at the event's time. */
export interface UnitExposed {
  readonly experiment: string;
  readonly unit: string;
  readonly variant: string;
  /** The deployment that served it; `null` when told over HTTP. */
  readonly deployment: string | null;
  /** The registered model that the variant was then, and its version; absent when told over HTTP, and in facts from before it was kept. */
  readonly model?: string;
  readonly version?: number;
}

/** Data of `millrace.experimentation.OutcomeRecorded.v1`: something measured of the unit, at the event's time. */
export interface OutcomeRecorded {
  readonly experiment: string;
  readonly unit: string;
  readonly metric: string;
  readonly value: number;
}
