import type { OfflineStore } from '@millrace/offline-store';

/** What the fields of a dataset's records are, as MLflow 3 names the types; what is no object has one type as a whole. */
export interface DatasetSchema {
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>> | string;
  readonly expectations: Readonly<Record<string, string>>;
  readonly version: '1.0';
}

const PARTS = ['inputs', 'outputs', 'expectations'] as const;
/** Fields of one dataset's records; what is told of first is shown. */
const MOST_FIELDS = 10_000;

/**
 * The type each field had when it was told of first, in that order; it stays when its record is deleted. A number is a float where its JSON text
 * says so. `undefined`: nothing was told of the dataset.
 */
export async function datasetSchema(store: OfflineStore, datasetId: string): Promise<DatasetSchema | undefined> {
  const rows = await store.query<{ part: string; field: string; type: string }>(
    `SELECT part, field, argMin(raw_type, place) AS type
     FROM (
       SELECT
         (_offset, _row, position) AS place, part_text.1 AS part, value.1 AS field,
         multiIf(
           startsWith(value.2, '"'), 'string', startsWith(value.2, '['), 'array', startsWith(value.2, '{'), 'object',
           value.2 = 'null', 'null', value.2 IN ('true', 'false'), 'boolean', match(value.2, '[.eE]'), 'float', 'integer') AS raw_type
       FROM millrace.dataset_record_facts
       ARRAY JOIN arrayFilter(
         one -> one.2 != '',
         [${PARTS.map((part) => `('${part}', JSONExtractString(told, '${part}'))`).join(', ')}]) AS part_text
       ARRAY JOIN
         if(startsWith(part_text.2, '{'), JSONExtractKeysAndValuesRaw(part_text.2), [('', part_text.2)]) AS value,
         arrayEnumerate(if(startsWith(part_text.2, '{'), JSONExtractKeysAndValuesRaw(part_text.2), [('', part_text.2)])) AS position
       WHERE dataset_id = {datasetId:String} AND NOT deleted
     )
     GROUP BY part, field ORDER BY min(place) LIMIT ${MOST_FIELDS}`,
    { datasetId },
  );
  if (rows.length === 0) return undefined;
  const of = (part: (typeof PARTS)[number]) =>
    Object.fromEntries(rows.filter((row) => row.part === part).map(({ field, type }) => [field, type]));
  const outputs = of('outputs');
  const [first] = Object.entries(outputs);
  return { inputs: of('inputs'), outputs: first?.[0] === '' ? first[1] : outputs, expectations: of('expectations'), version: '1.0' };
}
