import type { PredictionMade, UnitExposed } from '../domain/prediction/prediction.js';
import type { GatewaySink } from '../gateway/gateway.js';
import type { Answered } from '../gateway/prediction-record.js';

/** The stream that asks for a prediction, and whether its event may have been asked for before. */
export interface AskedBy {
  readonly stream: string;
  readonly mayRepeat: boolean;
}

/** Takes what the gateway answered to streams to their sink, and says in the records that they are a stream's and which may be repeats. */
export class StreamSink implements GatewaySink {
  /** By prediction id, what is with the gateway now. */
  readonly #asked = new Map<string, AskedBy>();

  constructor(private readonly sink: GatewaySink) {}

  /** Runs a request whose records are the stream's. */
  async during<T>(predictionId: string, by: AskedBy, ask: () => Promise<T>): Promise<T> {
    this.#asked.set(predictionId, by);
    try {
      return await ask();
    } finally {
      this.#asked.delete(predictionId);
    }
  }

  takes(): boolean {
    return this.sink.takes();
  }

  answered(answered: Answered): void {
    this.sink.answered(answered);
  }

  predicted(prediction: PredictionMade, time: number): void {
    const by = this.#asked.get(prediction.predictionId);
    const { stream = null, mayRepeat = false } = by ?? {};
    this.sink.predicted({ ...prediction, stream, ...(mayRepeat ? { mayRepeat } : {}) }, time);
  }

  exposed(exposure: UnitExposed, time: number): void {
    this.sink.exposed(exposure, time);
  }
}
