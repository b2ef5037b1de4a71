import type { OfflineStore } from '@millrace/offline-store';

/** One row of a prediction that was answered from features: what was served, and what it rested on. */
export interface ServedVector {
  readonly predictionId: string;
  readonly row: number;
  readonly featureService: string;
  /** Milliseconds since the epoch: the features are as of then. */
  readonly at: number;
  readonly entity: Readonly<Record<string, unknown>>;
  /** What came with the request: name -> value, as JSON holds it. */
  readonly request: Readonly<Record<string, unknown>>;
  /** Feature -> value, as JSON holds it. */
  readonly features: Readonly<Record<string, unknown>>;
  /** View -> partition -> next offset applied. */
  readonly positions: Readonly<Record<string, Readonly<Record<number, number>>>>;
  /** View -> version of its definition. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Which served vectors are meant; times are milliseconds since the epoch, of the answer, `to` excluded. */
export interface VectorSelection {
  readonly deployment: string | undefined;
  readonly featureService: string | undefined;
  readonly from: number | undefined;
  readonly to: number | undefined;
}

interface Row {
  readonly prediction_id: string;
  readonly row: number;
  readonly answered: string;
  readonly feature_service: string;
  readonly at: string;
  readonly entity: string;
  readonly request: string;
  readonly features: string;
  readonly feature_positions: string;
  readonly feature_versions: string;
}

/** Vectors held in memory at a time. */
const PAGE = 20_000;
const DEADLINE_MS = 600_000;

/** The vectors served, in the order of their answers, in pages. */
export async function* servedVectors(store: OfflineStore, selection: VectorSelection): AsyncGenerator<readonly ServedVector[]> {
  const { deployment, featureService, from, to } = selection;
  const conditions = ["feature_service != ''", "features != '{}'", 'feature_time IS NOT NULL'];
  if (deployment !== undefined) conditions.push('deployment = {deployment:String}');
  if (featureService !== undefined) conditions.push('feature_service = {featureService:String}');
  if (from !== undefined) conditions.push("time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')");
  if (to !== undefined) conditions.push("time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')");
  const parameters = { deployment: deployment ?? '', featureService: featureService ?? '', from: from ?? 0, to: to ?? 0 };
  let after: { answered: string; id: string; row: number } | undefined;
  for (;;) {
    const next = after
      ? [...conditions, '(toUnixTimestamp64Milli(time), prediction_id, row) > ({answered:Int64}, {id:String}, {row:UInt32})']
      : conditions;
    const rows: Row[] = await store.query<Row>(
      `SELECT prediction_id, row, toUnixTimestamp64Milli(time) AS answered, feature_service,
         toUnixTimestamp64Milli(assumeNotNull(feature_time)) AS at, entity, request, features, feature_positions, feature_versions
       FROM millrace.predictions FINAL WHERE ${next.join(' AND ')} ORDER BY answered, prediction_id, row LIMIT ${PAGE}`,
      { ...parameters, answered: after?.answered ?? '0', id: after?.id ?? '', row: after?.row ?? 0 },
      { deadlineMs: DEADLINE_MS },
    );
    if (rows.length > 0) yield rows.map(vectorOf);
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    after = { answered: last.answered, id: last.prediction_id, row: last.row };
  }
}

function vectorOf(row: Row): ServedVector {
  return {
    predictionId: row.prediction_id,
    row: Number(row.row),
    featureService: row.feature_service,
    at: Number(row.at),
    entity: JSON.parse(row.entity) as ServedVector['entity'],
    // Rows from before requests were kept have none.
    request: JSON.parse(row.request || '{}') as ServedVector['request'],
    features: JSON.parse(row.features) as ServedVector['features'],
    positions: JSON.parse(row.feature_positions) as ServedVector['positions'],
    versions: JSON.parse(row.feature_versions) as ServedVector['versions'],
  };
}
