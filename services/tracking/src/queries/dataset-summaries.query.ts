import type { OfflineStore } from '@millrace/offline-store';

export interface DatasetSummary {
  readonly experimentId: string;
  readonly name: string;
  readonly digest: string;
  /** What the runs used it for; empty when they did not say. */
  readonly context: string;
}

/** The datasets that runs of the experiments have logged, each once per experiment and context, by experiment and name. */
export async function datasetSummaries(store: OfflineStore, experimentIds: readonly string[], limit: number): Promise<DatasetSummary[]> {
  return store.query<DatasetSummary>(
    `SELECT DISTINCT experiment_id AS experimentId, dataset.1 AS name, dataset.2 AS digest, dataset.3 AS context
     FROM
     (
         SELECT experiment_id, \`datasets.name\` AS names, \`datasets.digest\` AS digests, \`datasets.context\` AS contexts, deleted
         FROM millrace.run_states FINAL
         WHERE experiment_id IN {experimentIds:Array(String)}
     )
     ARRAY JOIN arrayZip(names, digests, contexts) AS dataset
     WHERE NOT deleted
     ORDER BY experimentId, name, digest, context LIMIT {limit:UInt64}`,
    { experimentIds, limit },
  );
}
