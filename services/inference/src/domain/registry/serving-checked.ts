/** Data of `millrace.inference.ServingChecked.v1`: whether a registered version can be served, as a gateway found out by loading it. */
export interface ServingChecked {
  readonly modelId: string;
  readonly model: string;
  readonly version: number;
  readonly digest: string | null;
  readonly servable: boolean;
  /** Why it cannot; `null` when it can. */
  readonly reason: string | null;
  readonly place: string | null;
  readonly runMs: number | null;
}
