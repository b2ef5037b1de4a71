/** What answered, and whom it is told about: an export may be replaced while predictions of the one before still wait. */
export interface PredictionOrigin {
  readonly model: string;
  readonly version: number;
  readonly digest: string | null;
  readonly graph: string;
  readonly deployment: string | null;
  readonly session: string;
  readonly runner: 'web' | 'node';
}

/** One prediction as it waits to be sent. */
export interface QueuedPrediction {
  readonly id: string;
  /** By this device's clock, in milliseconds since the epoch. */
  readonly time: number;
  readonly of: PredictionOrigin;
  readonly unit: string | null;
  readonly inputs: Readonly<Record<string, unknown>> | null;
  readonly features: Readonly<Record<string, unknown>> | null;
  readonly outputs: Readonly<Record<string, unknown>> | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly latencyMicros: number;
}

/** What has become of predictions. Counts are of this device since its queue was made. */
export interface QueueCounts {
  readonly waiting: number;
  readonly sent: number;
  /** Given up because the queue was full: the oldest went. */
  readonly dropped: number;
  /** The platform would not have them; they lie aside, whole and with the reason. */
  readonly refused: number;
}

export interface Settled {
  readonly sent: readonly string[];
  readonly refused: readonly RefusedPrediction[];
}

/** A prediction that lies aside, as it waited, and why the platform would not have it. */
export interface RefusedPrediction {
  readonly id: string;
  readonly reason: string;
  readonly prediction: QueuedPrediction;
}

/**
 * Predictions that have been made and not been sent, oldest first, kept through a crash. A queue that is full gives up its oldest: what a model does now
 * says more than what it did before, and the count of what is missing is kept. As many as may wait may lie aside, by the same rule.
 */
export interface PredictionQueue {
  /** The id this device gave itself when the queue was made. */
  readonly device: string;
  /** Resolves when the prediction would outlast a crash. */
  add(prediction: QueuedPrediction): Promise<void>;
  oldest(count: number): Promise<readonly QueuedPrediction[]>;
  /** Takes away what has been sent, and puts aside what was refused. Ids that are no longer there are passed over. */
  settle(settled: Settled): Promise<void>;
  /** Lets what was refused wait once more, behind all that waits: what was wrong on the other side is mended. Gives how many. */
  retryRefused(): Promise<number>;
  counts(): Promise<QueueCounts>;
}
