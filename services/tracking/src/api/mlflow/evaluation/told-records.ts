import { canonical } from '@millrace/kernel';
import { invalid, type Fields } from '@millrace/mlflow-protocol';
import { createHash } from 'node:crypto';
import type { ToldRecord } from '../../../domain/evaluation-dataset/dataset-records.js';

const MOST_RECORDS = 10_000;
/** What one fact holds at most; a log's record may weigh a megabyte. */
const MOST_FACT_BYTES = 512 << 10;

/** Records as a client tells of them: a list as JSON text. */
export function toldRecordsOf(fields: Fields, datasetId: string): ToldRecord[] {
  const records = parsed('records', fields.requiredString('records'));
  if (!Array.isArray(records)) throw invalid("Invalid value for parameter 'records': it is the JSON text of a list of records.");
  if (records.length > MOST_RECORDS) throw invalid(`At most ${MOST_RECORDS} records are taken at once, got ${records.length}.`);
  return records.map((record: unknown, index) => toldRecord(datasetId, `records[${index}]`, record));
}

function toldRecord(datasetId: string, where: string, record: unknown): ToldRecord {
  if (!isObject(record)) throw invalid(`Invalid value for '${where}': a record is an object.`);
  const object = (name: string): string | null => {
    const value = record[name];
    if (value === undefined || value === null) return null;
    if (!isObject(value)) throw invalid(`Invalid value for '${where}.${name}': it is an object.`);
    return JSON.stringify(value);
  };
  const inputs = object('inputs') ?? '{}';
  const outputs = record['outputs'] === undefined || record['outputs'] === null ? null : JSON.stringify(record['outputs']);
  const digest = createHash('sha256')
    .update(`${datasetId}\n${canonical(JSON.parse(inputs))}`)
    .digest('hex');
  return {
    ...{ recordId: `dr-${digest.slice(0, 32)}`, inputs, outputs },
    ...{ expectations: object('expectations'), tags: object('tags'), source: object('source') },
  };
}

/** The records in parts that each fit into one fact. One that is too large alone is refused by the log, with its bound. */
export function inParts(records: readonly ToldRecord[]): ToldRecord[][] {
  const parts: ToldRecord[][] = [];
  let bytes = Infinity;
  for (const record of records) {
    const size = Buffer.byteLength(JSON.stringify(record));
    if (bytes + size > MOST_FACT_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(record);
    bytes += size;
  }
  return parts;
}

/** Tags as clients give them: an object as JSON text. */
export function tagsOf(fields: Fields): Record<string, string> {
  const text = fields.string('tags');
  if (!text) return {};
  const tags = parsed('tags', text);
  if (tags === null) return {};
  if (!isObject(tags)) throw invalid("Invalid value for parameter 'tags': it is the JSON text of an object.");
  const given = Object.entries(tags).filter(([, value]) => value !== null);
  return Object.fromEntries(
    given.map(([key, value]) => {
      if (key === '' || key.length > 250) throw invalid(`Invalid tag key '${key.slice(0, 250)}': 1 to 250 characters.`);
      const told = typeof value === 'string' ? value : JSON.stringify(value);
      if (told.length > 5000) throw invalid(`The value of tag '${key}' had length ${told.length}, which exceeded length limit of 5000`);
      return [key, told];
    }),
  );
}

function parsed(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(
      `Invalid value for parameter '${name}': it is not JSON text (${error instanceof Error ? error.message : String(error)}).`,
    );
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
