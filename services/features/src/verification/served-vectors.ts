import type { OfflineStore } from '@millrace/offline-store';
import { READS_TABLE } from '../projections/feature-reads.projection.js';
import { PREDICTIONS_TABLE } from '../statistics/served-statistics.js';

/** What a vector was served for: a prediction, or a read of its feature service. */
export type ServedFor = 'prediction' | 'read';

/** One row of an answer that was made of features: what was served, and what it rested on. */
export interface ServedVector {
  readonly servedFor: ServedFor;
  /** Of the prediction or the read. */
  readonly id: string;
  readonly row: number;
  /** Empty for an answer of no deployment. */
  readonly deployment: string;
  readonly featureService: string;
  /** Milliseconds since the epoch: the features are as of then. */
  readonly at: number;
  readonly entity: Readonly<Record<string, unknown>>;
  /** What came with the request: name -> value, as JSON holds it. */
  readonly request: Readonly<Record<string, unknown>>;
  /** Feature -> value, as JSON holds it. */
  readonly features: Readonly<Record<string, unknown>>;
  /** Feature -> why it has no value, where it is not that the value is null. */
  readonly statuses: Readonly<Record<string, string>>;
  /** View -> partition -> next offset applied. */
  readonly positions: Readonly<Record<string, Readonly<Record<number, number>>>>;
  /** View -> version of its definition. */
  readonly versions: Readonly<Record<string, string>>;
  /** Whether values past the ttl of their view were served. */
  readonly isAgeless: boolean;
}

/** Which served vectors are meant; times are milliseconds since the epoch, of the answer, `to` excluded. */
export interface VectorSelection {
  readonly deployment: string | undefined;
  readonly featureService: string | undefined;
  readonly from: number | undefined;
  readonly to: number | undefined;
}

interface Row {
  readonly id: string;
  readonly deployment: string;
  readonly row: number;
  readonly answered: string;
  readonly feature_service: string;
  readonly at: string;
  readonly entity: string;
  readonly request: string;
  readonly features: string;
  readonly feature_positions: string;
  readonly statuses: string;
  readonly feature_versions: string;
  readonly ageless: boolean;
}

interface Table {
  readonly table: string;
  readonly id: string;
  readonly deployment: string;
  readonly ageless: string;
  readonly where: readonly string[];
}

/** Where vectors are of one kind, and how its columns are called there. */
const TABLES: Readonly<Record<ServedFor, Table>> = {
  prediction: {
    ...{ table: PREDICTIONS_TABLE, id: 'prediction_id', deployment: 'deployment', ageless: 'false' },
    where: ["feature_service != ''", "features != '{}'", 'feature_time IS NOT NULL'],
  },
  read: { table: READS_TABLE, id: 'read_id', deployment: "''", ageless: 'ageless', where: [] },
};

/** Vectors held in memory at a time. */
const PAGE = 20_000;
const DEADLINE_MS = 600_000;

/** The vectors served for one thing, in the order of their answers, in pages. Reads are of no deployment. */
export async function* servedVectors(
  store: OfflineStore,
  servedFor: ServedFor,
  selection: VectorSelection,
): AsyncGenerator<readonly ServedVector[]> {
  const { deployment, featureService, from, to } = selection;
  const { table, id, deployment: named, ageless, where } = TABLES[servedFor];
  const conditions = [...where];
  if (deployment !== undefined) {
    if (servedFor === 'read') return;
    conditions.push('deployment = {deployment:String}');
  }
  if (featureService !== undefined) conditions.push('feature_service = {featureService:String}');
  if (from !== undefined) conditions.push("time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')");
  if (to !== undefined) conditions.push("time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')");
  const parameters = { deployment: deployment ?? '', featureService: featureService ?? '', from: from ?? 0, to: to ?? 0 };
  let after: { answered: string; id: string; row: number } | undefined;
  for (;;) {
    const next = after
      ? [...conditions, `(toUnixTimestamp64Milli(time), ${id}, row) > ({answered:Int64}, {id:String}, {row:UInt32})`]
      : conditions;
    const rows: Row[] = await store.query<Row>(
      `SELECT ${id} AS id, row, toUnixTimestamp64Milli(time) AS answered, feature_service, ${named} AS deployment, ${ageless} AS ageless,
         toUnixTimestamp64Milli(assumeNotNull(feature_time)) AS at, entity, request, features, statuses, feature_positions, feature_versions
       FROM ${table} FINAL WHERE ${['true', ...next].join(' AND ')} ORDER BY answered, id, row LIMIT ${PAGE}`,
      { ...parameters, answered: after?.answered ?? '0', id: after?.id ?? '', row: after?.row ?? 0 },
      { deadlineMs: DEADLINE_MS },
    );
    if (rows.length > 0) yield rows.map((row) => vectorOf(servedFor, row));
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    after = { answered: last.answered, id: last.id, row: last.row };
  }
}

function vectorOf(servedFor: ServedFor, row: Row): ServedVector {
  return {
    servedFor,
    id: row.id,
    deployment: row.deployment,
    row: Number(row.row),
    featureService: row.feature_service,
    at: Number(row.at),
    entity: JSON.parse(row.entity) as ServedVector['entity'],
    // Rows from before requests were kept have none.
    request: JSON.parse(row.request || '{}') as ServedVector['request'],
    features: JSON.parse(row.features) as ServedVector['features'],
    statuses: JSON.parse(row.statuses || '{}') as ServedVector['statuses'],
    positions: JSON.parse(row.feature_positions) as ServedVector['positions'],
    versions: JSON.parse(row.feature_versions) as ServedVector['versions'],
    isAgeless: row.ageless,
  };
}
