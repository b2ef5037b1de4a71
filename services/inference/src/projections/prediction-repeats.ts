import type { OfflineStore } from '@millrace/offline-store';
import { repeatKeyOf, type PredictionMade } from '../domain/prediction/prediction.js';
import { FactRepeats } from './fact-repeats.js';

interface Stored {
  readonly id: string;
  readonly variant: string;
  readonly error: string;
  readonly source: string;
  readonly first: number;
}

/**
 * Repeats among the records of predictions, whose key is the prediction id. The table is asked for uploads, and for what its gateway or stream says may be
 * a repeat; of the gateway's own nothing else is one.
 */
export function predictionRepeats(store: Pick<OfflineStore, 'query'>): FactRepeats<PredictionMade> {
  return new FactRepeats<PredictionMade>({
    keyOf,
    canRepeat: ({ edge, stream, mayRepeat }) => Boolean(edge) || Boolean(stream) || mayRepeat === true,
    mayBeStored: ({ edge, mayRepeat }) => Boolean(edge) || mayRepeat === true,
    stored: async (partition, facts) => {
      const ids = [...new Set(facts.map(({ predictionId }) => predictionId))];
      const found = await store.query<Stored>(
        `SELECT prediction_id AS id, variant, error_code AS error, source, toFloat64(min(_offset)) AS first FROM millrace.predictions
         WHERE _partition = {partition:UInt32} AND prediction_id IN ({ids:Array(String)}) GROUP BY id, variant, error, source`,
        { partition, ids },
      );
      return found.flatMap(({ source, first, ...stored }) => [
        { key: repeatKeyOf({ ...stored, isEdge: source === 'edge' }), first },
        { key: ownKeyOf(stored), first },
      ]);
    },
  });
}

function keyOf({ predictionId: id, variant, error, edge, stream }: PredictionMade): string {
  const told = { id, variant: variant ?? '', error: error?.code ?? '' };
  return edge || stream ? repeatKeyOf({ ...told, isEdge: Boolean(edge) }) : ownKeyOf(told);
}

/** Of a request of several rows that went to several variants the gateway tells each variant's. */
function ownKeyOf({ id, variant, error }: Pick<Stored, 'id' | 'variant' | 'error'>): string {
  return `${id} ${variant} ${error} own`;
}
