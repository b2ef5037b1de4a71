import type { Position } from '@millrace/kernel';
import type { PredictionMade } from '../domain/prediction/prediction.js';

/** Appends facts of one topic; the service kit's, narrowed. */
export type AppendPredictions = (
  facts: readonly { readonly key: string; readonly id: string; readonly data: PredictionMade }[],
  traceparent: string | undefined,
) => Promise<readonly Position[]>;

/**
 * Puts answers of exported models on the log. Unlike the gateway's own they are not behind an answer: who sent them keeps them until this resolves, so
 * nothing is shed. The prediction's id is the record's, and a repeat is in the same partition as the first.
 */
export class EdgeRecorder {
  constructor(private readonly append: AppendPredictions) {}

  record(predictions: readonly PredictionMade[], traceparent: string | undefined): Promise<readonly Position[]> {
    return this.append(
      predictions.map((data) => ({ key: data.predictionId, id: data.predictionId, data })),
      traceparent,
    );
  }
}
