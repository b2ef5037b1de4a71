import type { OfflineStore } from '@millrace/offline-store';
import { foldRecord, type DatasetRecord, type Telling, type ToldRecord } from '../domain/evaluation-dataset/dataset-records.js';

/** Whether a record is there, of all that was told of it. */
const IS_THERE = 'NOT argMax(deleted, (_offset, _row))';

const TOLD_FIRST = 'min((_offset, _row))';
/** Where the record a page begins after stands; what was told of it stays when it is deleted. */
const PLACE_OF_LAST = `(
       SELECT (${TOLD_FIRST}, {after:String}) FROM millrace.dataset_record_facts
       WHERE dataset_id = {datasetId:String} AND record_id = {after:String})`;

export interface RecordsPage {
  readonly datasetId: string;
  readonly limit: number;
  /** The record the page begins after; it may be gone meanwhile. */
  readonly after: string | undefined;
}

/** Records of a dataset in the order they were told of first; one more than `limit` when there are more. */
export async function datasetRecords(store: OfflineStore, { datasetId, limit, after }: RecordsPage): Promise<DatasetRecord[]> {
  const ids = await store.query<{ id: string }>(
    `SELECT record_id AS id FROM millrace.dataset_record_facts WHERE dataset_id = {datasetId:String}
     GROUP BY record_id HAVING ${IS_THERE}${after === undefined ? '' : ` AND (${TOLD_FIRST}, record_id) > ${PLACE_OF_LAST}`}
     ORDER BY ${TOLD_FIRST}, record_id LIMIT {limit:UInt64}`,
    { datasetId, limit: limit + 1, ...(after === undefined ? {} : { after }) },
  );
  const recordIds = ids.map(({ id }) => id);
  if (recordIds.length === 0) return [];
  const rows = await store.query<{ record_id: string; deleted: boolean; at: string; by: string; told: string }>(
    `SELECT record_id, deleted, at, by, told FROM millrace.dataset_record_facts
     WHERE dataset_id = {datasetId:String} AND record_id IN {recordIds:Array(String)} ORDER BY record_id, _offset, _row`,
    { datasetId, recordIds },
  );
  const tellings = new Map<string, Telling[]>();
  for (const { record_id, deleted, at, by, told } of rows) {
    const of = deleted ? [] : (tellings.get(record_id) ?? []);
    if (!deleted) of.push({ ...(JSON.parse(told) as ToldRecord), at: Number(at), by });
    tellings.set(record_id, of);
  }
  return recordIds.map((id) => foldRecord(datasetId, tellings.get(id) ?? [])).filter((record) => record !== undefined);
}

/** Which of these records are there. */
export async function recordsThere(store: OfflineStore, datasetId: string, recordIds: readonly string[]): Promise<ReadonlySet<string>> {
  if (recordIds.length === 0) return new Set();
  const rows = await store.query<{ id: string }>(
    `SELECT record_id AS id FROM millrace.dataset_record_facts
     WHERE dataset_id = {datasetId:String} AND record_id IN {recordIds:Array(String)} GROUP BY record_id HAVING ${IS_THERE}`,
    { datasetId, recordIds },
  );
  return new Set(rows.map(({ id }) => id));
}

/** What the records of a dataset come to. */
export interface RecordsSummary {
  readonly records: number;
  /** Milliseconds since the epoch at which they changed last, and who changed them. */
  readonly at: number;
  readonly by: string;
}

/** By dataset; one that nothing was told of has none. */
export async function recordsSummaries(store: OfflineStore, datasetIds: readonly string[]): Promise<ReadonlyMap<string, RecordsSummary>> {
  if (datasetIds.length === 0) return new Map();
  const rows = await store.query<{ dataset_id: string; records: string; at: string; by: string }>(
    `SELECT dataset_id, countIf(there) AS records, max(last_at) AS at, argMax(last_by, last_offset) AS by
     FROM (
       SELECT dataset_id, record_id, ${IS_THERE} AS there, max(at) AS last_at, argMax(by, (_offset, _row)) AS last_by, max(_offset) AS last_offset
       FROM millrace.dataset_record_facts WHERE dataset_id IN {datasetIds:Array(String)} GROUP BY dataset_id, record_id
     )
     GROUP BY dataset_id`,
    { datasetIds },
  );
  return new Map(rows.map(({ dataset_id, records, at, by }) => [dataset_id, { records: Number(records), at: Number(at), by }]));
}
