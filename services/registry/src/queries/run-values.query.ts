import type { OfflineStore } from '@millrace/offline-store';

interface RunId {
  readonly runId: string;
  readonly experimentId: string;
}

/** The latest value of a metric by run id. */
export async function latestMetric(offline: OfflineStore, key: string, runs: readonly RunId[]): Promise<Map<string, number>> {
  const rows = await offline.query<{ run_id: string; value: number | null }>(
    `SELECT run_id, argMax(value, (step, timestamp, if(isNaN(value), 0, value))) AS value FROM millrace.metric_points
     WHERE experiment_id IN {experiments:Array(String)} AND run_id IN {runs:Array(String)} AND key = {key:String} GROUP BY run_id`,
    { experiments: [...new Set(runs.map((run) => run.experimentId))], runs: runs.map((run) => run.runId), key },
  );
  return new Map(rows.map(({ run_id, value }) => [run_id, value ?? Number.NaN]));
}

export interface RunValues {
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The last decision about a run that its row in the table rests on; 0 without a row. */
export async function storedSequence(offline: OfflineStore, { runId, experimentId }: RunId): Promise<number> {
  const rows = await offline.query<{ sequence: string }>(
    'SELECT max(sequence) AS sequence FROM millrace.run_states WHERE experiment_id = {experimentId:String} AND run_id = {runId:String}',
    { experimentId, runId },
  );
  return Number(rows[0]?.sequence ?? 0);
}

/** A run's params, tags and latest metrics. */
export async function runValues(offline: OfflineStore, { runId, experimentId }: RunId): Promise<RunValues> {
  const where = 'experiment_id = {experimentId:String} AND run_id = {runId:String}';
  const [states, metrics] = await Promise.all([
    offline.query<{ params: Record<string, string>; tags: Record<string, string> }>(
      `SELECT params, tags FROM millrace.runs WHERE ${where}`,
      { experimentId, runId },
    ),
    offline.query<{ key: string; value: number | null }>(
      `SELECT key, argMax(value, (step, timestamp, if(isNaN(value), 0, value))) AS value FROM millrace.metric_points
       WHERE ${where} GROUP BY key ORDER BY key`,
      { experimentId, runId },
    ),
  ]);
  return {
    params: states[0]?.params ?? {},
    tags: states[0]?.tags ?? {},
    metrics: Object.fromEntries(metrics.map(({ key, value }) => [key, value ?? Number.NaN])),
  };
}
