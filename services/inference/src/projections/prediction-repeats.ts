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
 * Repeats among the records of predictions, whose key is the prediction id. The gateway's own records are not looked at; the table is asked for uploads,
 * and for what its stream says may be a repeat.
 */
export function predictionRepeats(store: Pick<OfflineStore, 'query'>): FactRepeats<PredictionMade> {
  return new FactRepeats<PredictionMade>({
    keyOf: (data) => (data.edge || data.stream ? keyOf(data) : undefined),
    mayBeStored: ({ edge, mayRepeat }) => Boolean(edge) || mayRepeat === true,
    stored: async (partition, facts) => {
      const ids = [...new Set(facts.map(({ predictionId }) => predictionId))];
      const found = await store.query<Stored>(
        `SELECT prediction_id AS id, variant, error_code AS error, source, toFloat64(min(_offset)) AS first FROM millrace.predictions
         WHERE _partition = {partition:UInt32} AND prediction_id IN ({ids:Array(String)}) GROUP BY id, variant, error, source`,
        { partition, ids },
      );
      return found.map(({ source, first, ...stored }) => ({ key: repeatKeyOf({ ...stored, isEdge: source === 'edge' }), first }));
    },
  });
}

function keyOf({ predictionId: id, variant, error, edge }: PredictionMade): string {
  return repeatKeyOf({ id, variant: variant ?? '', error: error?.code ?? '', isEdge: Boolean(edge) });
}
