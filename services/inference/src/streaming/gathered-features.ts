import type { EntityValue, FeatureReader, FeatureServiceShape, FeatureValue, FeatureVectors } from '../gateway/feature-vectors.js';
import { isRefusal } from '../domain/refusal.js';

interface Ask {
  readonly entities: readonly Readonly<Record<string, EntityValue>>[];
  readonly requests: readonly Readonly<Record<string, FeatureValue>>[];
  readonly at: readonly number[];
  readonly resolve: (vectors: FeatureVectors) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads what is asked for in one turn of the event loop together: requests that begin at the same time cost one read of the online store. */
export class GatheredFeatures implements FeatureReader {
  readonly #asks = new Map<string, Ask[]>();

  constructor(private readonly reader: FeatureReader) {}

  shapeOf(featureService: string): FeatureServiceShape | undefined {
    return this.reader.shapeOf(featureService);
  }

  read(
    featureService: string,
    entities: readonly Readonly<Record<string, EntityValue>>[],
    requests: readonly Readonly<Record<string, FeatureValue>>[],
    at: number | readonly number[],
  ): Promise<FeatureVectors> {
    return new Promise((resolve, reject) => {
      const asks = this.#asks.get(featureService) ?? [];
      asks.push({ entities, requests, at: typeof at === 'number' ? entities.map(() => at) : at, resolve, reject });
      if (asks.length > 1) return;
      this.#asks.set(featureService, asks);
      setImmediate(() => {
        this.#asks.delete(featureService);
        void this.#readAll(featureService, asks);
      });
    });
  }

  async #readAll(featureService: string, asks: readonly Ask[]): Promise<void> {
    try {
      const read = await this.#read(featureService, asks);
      let row = 0;
      for (const { entities, resolve } of asks) {
        const [from, to] = [row, (row += entities.length)];
        resolve({ ...read, rows: read.rows.slice(from, to), statuses: read.statuses.slice(from, to) });
      }
    } catch (error) {
      // One row that cannot be answered must not be the others' fault; a store that is away would be so for each.
      const isOfARow = isRefusal(error) && error.code === 'MR_INFERENCE_INVALID';
      for (const ask of asks) {
        if (isOfARow && asks.length > 1) this.#read(featureService, [ask]).then(ask.resolve, ask.reject);
        else ask.reject(error);
      }
    }
  }

  #read(featureService: string, asks: readonly Ask[]): Promise<FeatureVectors> {
    const times = asks.flatMap(({ at }) => at);
    const [first = 0] = times;
    return this.reader.read(
      featureService,
      asks.flatMap(({ entities }) => entities),
      asks.flatMap(({ requests }) => requests),
      times.every((time) => time === first) ? first : times,
    );
  }
}
