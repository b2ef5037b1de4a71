/** `NOT_FOUND`: no event of the entity. `OUTSIDE_MAX_AGE`: the latest is older than the view's ttl. */
export type MissingStatus = 'NOT_FOUND' | 'OUTSIDE_MAX_AGE';

/** One row of a prediction: what went in and what came out. */
export interface PredictedRow {
  /** Its number in the request. */
  readonly row: number;
  /** What the experiment assigned by, and what labels without a prediction id are joined by. */
  readonly unit: string | null;
  readonly entity: Readonly<Record<string, string | number | boolean>> | null;
  /** Inputs that are no join keys: request features. */
  readonly request: Readonly<Record<string, unknown>> | null;
  /** Values as they were served, before conversion to the tensor. */
  readonly features: Readonly<Record<string, unknown>> | null;
  /** Why features have no value, where it is not that their value is null; `null` when there are none. */
  readonly statuses: Readonly<Record<string, MissingStatus>> | null;
  /** Tensors of a request that came as tensors; `null` when they were too large to be kept. */
  readonly inputs: Readonly<Record<string, unknown>> | null;
  readonly outputs: Readonly<Record<string, unknown>> | null;
}

/** How an answer came that was not the gateway's: an exported model gave it on a device, which sent it later. Times are by the device's clock. */
export interface EdgeOrigin {
  /** Id the device gave itself; it stays from session to session. */
  readonly device: string;
  /** Id of the page or process. */
  readonly session: string;
  /** `web` or `node`. */
  readonly runner: string;
  readonly predictedAt: number;
  readonly sentAt: number;
  /** SHA-256 of the exported graph. */
  readonly graph: string | null;
}

/** Data of `millrace.inference.PredictionMade.v1`: one per request and model version that answered it, both halves, errors included. */
export interface PredictionMade {
  readonly predictionId: string;
  readonly requestId: string | null;
  readonly deployment: string | null;
  readonly model: string;
  readonly version: number;
  readonly digest: string | null;
  readonly experiment: string | null;
  readonly variant: string | null;
  /** The Rollout that chose the model; absent in records from before there were any. */
  readonly rollout?: string | null;
  readonly rows: readonly PredictedRow[];
  readonly featureService: string | null;
  /** Milliseconds since the epoch: the features are as of then. Of a request by tensors the event time it said, by which labels may join it. */
  readonly featureTime: number | null;
  /** What the online projection had applied when it was read. */
  readonly featurePositions: Readonly<Record<string, unknown>> | null;
  /** View -> version of its definition. */
  readonly featureVersions: Readonly<Record<string, string>> | null;
  /** Rows of the run, this request's and others': float results may differ in the last bits by it. */
  readonly batchRows: number | null;
  readonly latencyMicros: number;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** The trace the request belongs to. */
  readonly traceparent: string | null;
  /** `null` or absent of the gateway's own answers. Of several records of one upload the first counts. */
  readonly edge?: EdgeOrigin | null;
  /** The StreamingInference whose event was answered; `null` or absent of all others. */
  readonly stream?: string | null;
  /** Of a stream's: its event may have been answered before; of the gateway's: an append of it was not answered. So it may be on the topic already. The first counts. */
  readonly mayRepeat?: boolean;
}

/** The stream that asks for a prediction, and whether its event may have been asked for before: what its record says of it. */
export type AskedByStream = Pick<PredictionMade, 'stream' | 'mayRepeat'>;

/**
 * What of several records of one prediction is the same: its answer, whoever gave it, or an error of one kind; an upload as a whole. Of a request
 * of several rows that went to several variants the records differ: only for uploads and streams, whose records answer one row.
 */
export function repeatKeyOf({ id, variant, error, isEdge }: { id: string; variant: string; error: string; isEdge: boolean }): string {
  return isEdge || error === '' ? id : `${id} ${variant} ${error}`;
}

/** One run of a rollout mirrors a prediction once: the first record of it counts, and the fact's id. */
export function shadowKeyOf({ predictionId, rollout, run }: Pick<ShadowAnswered, 'predictionId' | 'rollout' | 'run'>): string {
  return `${predictionId}:${rollout}:${run}`;
}

/** A row's prediction as one number: the first number among its outputs. */
export function predictedNumber(outputs: Readonly<Record<string, unknown>> | null): number | null {
  return Object.values(outputs ?? {}).find((value) => typeof value === 'number') ?? null;
}

/** Data of `millrace.inference.ShadowAnswered.v1`: a mirrored request. Nobody got the candidate's answer. */
export interface ShadowAnswered {
  readonly rollout: string;
  readonly run: number;
  readonly deployment: string;
  readonly predictionId: string;
  readonly featureTime: number | null;
  readonly primary: ShadowSide;
  readonly candidate: ShadowSide;
  readonly rows: readonly {
    readonly row: number;
    readonly unit: string | null;
    readonly primary: number | null;
    readonly candidate: number | null;
  }[];
  /** The StreamingInference whose event was answered; `null` or absent of all others. */
  readonly stream?: string | null;
  /** Of a stream's: its event may have been mirrored before, so the answer may be on the topic already. The first counts. */
  readonly mayRepeat?: boolean;
}

export interface ShadowSide {
  readonly latencyMicros: number;
  readonly error: string | null;
  /** Which version answered; absent in facts from before it was kept. */
  readonly model?: string;
  readonly version?: number;
}

/** Data of `millrace.experimentation.UnitExposed.v1`, as the gateway reports it: the unit met the variant. */
export interface UnitExposed {
  readonly experiment: string;
  readonly unit: string;
  readonly variant: string;
  readonly deployment: string | null;
  /** The registered model that the variant was then, and its version; absent in facts from before it was kept. */
  readonly model?: string;
  readonly version?: number;
}
