import type { OfflineStore } from '@millrace/offline-store';

export interface DeletedRun {
  readonly runId: string;
  readonly experimentId: string;
  /** When the run was deleted, or its experiment, whichever was first; milliseconds since the epoch. */
  readonly deletedAt: number;
}

/** Runs that are deleted, themselves or with their experiment (whose deletion times the caller knows), by id after `after`. */
export async function deletedRuns(
  store: OfflineStore,
  deletedExperiments: ReadonlyMap<string, number>,
  after: string,
  limit: number,
): Promise<DeletedRun[]> {
  const rows = await store.query<{ runId: string; experimentId: string; at: string }>(
    `SELECT run_id AS runId, experiment_id AS experimentId, toUnixTimestamp64Milli(deletions.time) AS at
     FROM
     (
         SELECT run_id, experiment_id, deleted, purged
         FROM millrace.run_states FINAL
         WHERE experiment_id != '' AND run_id > {after:String}
     ) AS runs
     LEFT JOIN
     (
         SELECT subject, max(time) AS time
         FROM millrace.decisions
         WHERE _topic = 'millrace.tracking.decisions' AND startsWith(subject, 'run/') AND type = 'RunDeleted'
         GROUP BY subject
     ) AS deletions ON deletions.subject = concat('run/', runs.run_id)
     WHERE NOT purged AND (deleted OR experiment_id IN {experiments:Array(String)})
     ORDER BY run_id LIMIT {limit:UInt64}`,
    { after, limit, experiments: [...deletedExperiments.keys()] },
  );
  return rows.map(({ runId, experimentId, at }) => {
    const times = [Number(at), deletedExperiments.get(experimentId) ?? 0].filter((time) => time > 0);
    return { runId, experimentId, deletedAt: Math.min(...times) };
  });
}
