import { parquetReadObjects } from 'hyparquet';
import { zstdDecompressSync } from 'node:zlib';
import type { TrainingTable } from '../trainer.js';
import { eventually, type PlatformClient } from './platform-client.js';

interface TrainingSetStatus {
  readonly id: string;
  readonly status: string;
  readonly rows?: number;
  readonly featureServiceVersion: number;
  readonly error?: string;
}

export interface TrainingRows {
  readonly id: string;
  /** Version of the feature service it was made from: what a model trained on it pins. */
  readonly featureService: string;
  /** The rows as they are in the Parquet file, in the spine's order. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** Builds a point-in-time training set over a spine and fetches it: the SQL names keys, request features, the label and `timestamp`. */
export async function buildTrainingSet(client: PlatformClient, sql: string): Promise<TrainingRows> {
  const started = await client.post<TrainingSetStatus>('/api/v1/training-sets', {
    featureService: 'delay_model',
    spine: { sql },
    timestampColumn: 'timestamp',
  });
  const path = `/api/v1/training-sets/${started.id}`;
  const built = await eventually(
    `training set ${started.id}`,
    () => client.get<TrainingSetStatus>(path),
    (set) => set.status === 'built' || set.status === 'failed',
    300_000,
  );
  if (built.status === 'failed') throw new Error(`training set ${built.id} failed: ${built.error}`);
  const bytes = await client.bytes(`${path}/data`);
  const file = new Uint8Array(bytes).buffer;
  const rows = await parquetReadObjects({ file, compressors: { ZSTD: (input) => zstdDecompressSync(input) } });
  return { id: built.id, featureService: `delay_model@${built.featureServiceVersion}`, rows };
}

/** The columns a model learns from; a null is NaN, as the gateway passes it. */
export function tableOf(rows: TrainingRows['rows'], features: readonly string[]): TrainingTable {
  return {
    features,
    columns: features.map((name) =>
      Float64Array.from(rows, (row) => (row[name] === null || row[name] === undefined ? Number.NaN : Number(row[name]))),
    ),
    labels: Uint8Array.from(rows, (row) => Number(row['late'])),
  };
}
