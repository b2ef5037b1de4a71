import type { OfflineStore } from '@millrace/offline-store';

/** Whether a version can be served, as the last gateway that loaded it found. */
export interface ServingVerdict {
  readonly servable: boolean;
  /** Why not; empty when it can be served. */
  readonly reason: string;
  readonly place: string;
  /** Milliseconds of one row; `null` when it could not be warmed up. */
  readonly runMs: number | null;
}

/** `undefined`: no gateway has tried the version. */
export async function servingVerdict(offline: OfflineStore, modelId: string, version: number): Promise<ServingVerdict | undefined> {
  const [row] = await offline.query<{ servable: boolean; reason: string; place: string; run_ms: number | null }>(
    `SELECT servable, reason, place, run_ms FROM millrace.serving_checks
     WHERE model_id = {modelId:String} AND version = {version:UInt32} ORDER BY time DESC, _offset DESC LIMIT 1`,
    { modelId, version },
  );
  return row && { servable: row.servable, reason: row.reason, place: row.place, runMs: row.run_ms };
}
