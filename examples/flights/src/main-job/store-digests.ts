import { createHash } from 'node:crypto';
import { digest, parameterTexts, type OfflineStore } from '@millrace/offline-store';
import { canonical } from '@millrace/kernel';
import type { OnlineStore } from '@millrace/online-store';
import type { PlatformClient } from './platform-client.js';

/** One digest per store: what must be the same after a store was emptied and rebuilt from the log. */
export interface StoreDigests {
  /** Table -> rows and hash. */
  readonly offline: Readonly<Record<string, string>>;
  readonly online: { readonly keys: number; readonly hash: string };
  /** What the write models answer: resources, experiments, runs, models. */
  readonly state: string;
}

/** Through the analysts' port, which is there in both topologies and only reads. */
export async function offlineDigests(client: PlatformClient): Promise<Record<string, string>> {
  const store: Pick<OfflineStore, 'query'> = { query: (sql, parameters) => client.sql(sql, parameterTexts(parameters)) };
  // The rows of run_states are batches of the log as they were met; what they say is in the view runs. Statistics and the values they were made from are
  // counted when their turn comes, from the tables that are compared here, through scratch tables that come and go.
  const tables = await store.query<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = 'millrace' AND NOT startsWith(name, 'scratch_')
     AND (engine LIKE '%MergeTree' AND name NOT IN ('migrations', 'run_states', 'statistics', 'feature_samples') OR name = 'runs') ORDER BY name`,
  );
  const digests: Record<string, string> = {};
  for (const { name } of tables) {
    const { rows, hash } = await digest(store, `millrace.${name}`);
    digests[name] = `${rows} rows ${hash}`;
  }
  return digests;
}

export async function onlineDigest(store: OnlineStore): Promise<{ keys: number; hash: string }> {
  const hash = createHash('sha256');
  let keys = 0;
  for await (const [key, value] of store.scan(Buffer.alloc(0))) {
    hash.update(`${key.length}:${value.length}:`).update(key).update(value);
    keys++;
  }
  return { keys, hash: hash.digest('hex') };
}

export async function stateDigest(client: PlatformClient): Promise<string> {
  const answers = [
    await client.get('/api/v1/resources?limit=1000'),
    await client.get('/api/2.0/mlflow/experiments/search?max_results=1000'),
    await client.post('/api/2.0/mlflow/runs/search', { experiment_ids: ['0', ...(await experimentIds(client))], max_results: 1000 }),
    await client.get('/api/2.0/mlflow/registered-models/search?max_results=1000'),
    await client.get('/api/2.0/mlflow/model-versions/search?max_results=1000'),
  ];
  return createHash('sha256').update(canonical(answers)).digest('hex');
}

async function experimentIds(client: PlatformClient): Promise<string[]> {
  const found = await client.get<{ experiments?: { experiment_id: string }[] }>('/api/2.0/mlflow/experiments/search?max_results=1000');
  return (found.experiments ?? []).map((experiment) => experiment.experiment_id);
}
