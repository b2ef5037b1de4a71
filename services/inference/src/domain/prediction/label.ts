/** Data of `millrace.inference.LabelRecorded.v1`: the truth about a prediction, named by its id, or by unit and the time it was made for. */
export interface LabelRecorded {
  readonly deployment: string;
  /** Which truth: a deployment may have several (`delayed`, `paid`). */
  readonly name: string;
  readonly predictionId: string | null;
  /** Row of the request. */
  readonly row: number;
  readonly unit: string | null;
  /** The prediction's feature time, milliseconds since the epoch. */
  readonly predictedAt: number | null;
  readonly value: number | boolean | string;
  /** When the truth was known, milliseconds since the epoch. */
  readonly time: number;
}
