import type { OfflineStore } from '@millrace/offline-store';
import { shadowKeyOf, type ShadowAnswered } from '../domain/prediction/prediction.js';
import { FactRepeats } from './fact-repeats.js';

interface Stored {
  readonly id: string;
  readonly rollout: string;
  readonly run: number;
  readonly first: number;
}

/** Repeats among what candidates answered to copies of streams' requests; the table is asked for what its stream says may be one. */
export function shadowRepeats(store: Pick<OfflineStore, 'query'>): FactRepeats<ShadowAnswered> {
  return new FactRepeats<ShadowAnswered>({
    keyOf: (data) => (data.stream ? shadowKeyOf(data) : undefined),
    mayBeStored: ({ mayRepeat }) => mayRepeat === true,
    stored: async (partition, facts) => {
      const ids = [...new Set(facts.map(({ predictionId }) => predictionId))];
      const rollouts = [...new Set(facts.map(({ rollout }) => rollout))];
      const found = await store.query<Stored>(
        `SELECT prediction_id AS id, rollout, run, toFloat64(min(_offset)) AS first FROM millrace.shadow_answers
         WHERE rollout IN ({rollouts:Array(String)}) AND _partition = {partition:UInt32} AND prediction_id IN ({ids:Array(String)})
         GROUP BY id, rollout, run`,
        { partition, ids, rollouts },
      );
      return found.map(({ id: predictionId, rollout, run, first }) => ({ key: shadowKeyOf({ predictionId, rollout, run }), first }));
    },
  });
}
