import { readEvent } from '@millrace/contracts';
import { decodeFact, parseEventType, type Decoded, type Item, type LogRecord } from '@millrace/event-log';
import type { DatasetRecordFact } from '../domain/evaluation-dataset/dataset-records.js';

export const DATASET_RECORDS_TABLE = 'millrace.dataset_record_facts';

/** Reads a fact of a dataset's records; what is none goes to the dead letters with the reason. */
export function decodeDatasetRecordFact(record: LogRecord): Decoded<DatasetRecordFact> {
  const fact = decodeFact(record);
  if (fact.ok !== true) return fact;
  const type = parseEventType(fact.value.type);
  if (type?.domain !== 'tracking' || (type.name !== 'DatasetRecordsMerged' && type.name !== 'DatasetRecordsDeleted')) {
    return { ok: false, reason: `${fact.value.type} is not told of records of datasets` };
  }
  const read = readEvent<DatasetRecordFact['data']>(type.domain, type.name, type.version, fact.value.data);
  return read.ok ? { ok: true, value: { type: type.name, data: read.value } as DatasetRecordFact } : read;
}

/** A fact as rows of `millrace.dataset_record_facts`, one of each record. */
export function datasetRecordRows({ value: { type, data } }: Item<DatasetRecordFact>): object[] {
  const { datasetId: dataset_id, at, by } = data;
  if (type === 'DatasetRecordsDeleted') {
    return data.recordIds.map((record_id) => ({ dataset_id, record_id, deleted: true, at, by, told: '' }));
  }
  return data.records.map((told) => ({ dataset_id, record_id: told.recordId, deleted: false, at, by, told: JSON.stringify(told) }));
}
