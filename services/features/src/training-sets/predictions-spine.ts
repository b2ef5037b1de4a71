import type { ServicePlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteString, type OfflineStore } from '@millrace/offline-store';
import { KNOWN_COLUMN } from './spine-rows.js';
import type { SpineInput } from './training-set-request.js';

/** Columns that every prediction has; those of the join keys and of the request come between the two. */
const WHO = [
  'p.prediction_id AS prediction_id',
  'p.row AS prediction_row',
  'p.deployment AS deployment',
  'p.model AS model',
  'p.version AS model_version',
];
const WHAT = ['p.feature_time AS feature_time', 'p.prediction AS prediction'];

/**
 * The predictions of the gateway as rows: join keys, what came with the request, the answer and its label, in the order of the answers. With `served`
 * only those of the same feature service, each with the positions it rests on.
 */
export async function predictionsSql(
  store: OfflineStore,
  service: ServicePlan,
  name: string,
  spine: Extract<SpineInput, { kind: 'predictions' }>,
  served: boolean,
): Promise<string> {
  const fields = [
    ...service.joinKeys.map((key) => extracted('entity', key.name, key.type.name)),
    ...service.request
      .filter(({ name }) => !service.joinKeys.some((key) => key.name === name))
      .map((field) => extracted('request', field.name, field.type.name)),
  ];
  const labels = await store.query<{ label: string }>(
    `SELECT DISTINCT name AS label FROM millrace.labels${spine.deployment === null ? '' : ' WHERE deployment = {deployment:String}'} ORDER BY label`,
    { deployment: spine.deployment ?? '' },
  );
  // The one without a name is called `label`.
  const told = labels.map(({ label }, index) => ({ label, table: `l${index}`, column: label === '' ? 'label' : `label_${label}` }));
  const conditions = ["error_code = ''", 'feature_time IS NOT NULL'];
  if (service.joinKeys.length > 0) conditions.push("entity NOT IN ('', '{}', 'null')");
  // Features that rest on the request alone know no entity; that they were asked for is told by the service.
  else conditions.push(`feature_service = ${quoteString(name)}`);
  if (spine.deployment !== null) conditions.push(`deployment = ${quoteString(spine.deployment)}`);
  if (served) conditions.push(`feature_service = ${quoteString(name)}`);
  if (spine.from !== null) conditions.push(`time >= fromUnixTimestamp64Milli(toInt64(${spine.from}), 'UTC')`);
  if (spine.to !== null) conditions.push(`time < fromUnixTimestamp64Milli(toInt64(${spine.to}), 'UTC')`);
  const columns = [...WHO, ...fields, ...WHAT, ...told.map(({ table, column }) => `${table}.latest.1 AS ${quoteIdentifier(column)}`)];
  if (served) columns.push(`p.feature_positions AS ${KNOWN_COLUMN}`);
  const joins = told.map(
    ({ label, table }) =>
      `LEFT JOIN (SELECT deployment, prediction_id, row, latest FROM millrace.prediction_labels WHERE name = ${quoteString(label)}) AS ${table}
       ON p.prediction_id = ${table}.prediction_id AND p.row = ${table}.row AND ${TOLD_FOR} = ${table}.deployment`,
  );
  return `SELECT ${columns.join(', ')}
    FROM (SELECT * FROM millrace.predictions FINAL WHERE ${conditions.join(' AND ')}) AS p ${joins.join(' ')}
    ORDER BY p.time, p.prediction_id, p.row`;
}

/** For whom a prediction's labels are told: what was asked under a model's own name has no deployment. */
const TOLD_FOR = "if(p.deployment = '', p.model, p.deployment)";

function extracted(column: string, name: string, type: string): string {
  return `JSONExtract(p.${column}, ${quoteString(name)}, ${quoteString(`Nullable(${type})`)}) AS ${quoteIdentifier(name)}`;
}
