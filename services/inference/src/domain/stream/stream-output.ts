/** Data of `millrace.inference.StreamPredicted.v1`: the output of one event. */
export interface StreamPredicted {
  readonly stream: string;
  readonly generation: number;
  /** The event; its time is its own, in milliseconds since the epoch. */
  readonly input: { readonly topic: string; readonly partition: number; readonly offset: number; readonly time: number };
  /** Columns of the event that were asked for. */
  readonly columns: Readonly<Record<string, string | number | boolean | null>>;
  /** By the names of the model's outputs: a value, or a list where it gives several. */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly predictionId: string;
  readonly deployment: string;
  readonly model: string;
  readonly version: number;
  readonly variant: string | null;
}
