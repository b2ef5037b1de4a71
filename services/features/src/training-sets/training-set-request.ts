import { parseEventTime } from '@millrace/feature-engine';
import type { Spine } from '../domain/training-set/training-set.events.js';

/** A training set as it is asked for. */
export interface TrainingSetInput {
  readonly featureService: string;
  readonly spine:
    | { readonly kind: 'sql'; readonly sql: string }
    | { readonly kind: 'rows'; readonly rows: readonly Readonly<Record<string, unknown>>[] }
    | Extract<Spine, { readonly kind: 'source' }>;
  readonly timestampColumn: string;
  readonly fullFeatureNames: boolean;
  /** Topic -> next offset by partition; what is on the log now when absent. */
  readonly asOf: Readonly<Record<string, readonly number[]>>;
}

const SPINE_FIELDS = ['sql', 'rows', 'source'] as const;

/** Reads the body of `POST /api/v1/training-sets`; says what is wrong with it. */
export function parseTrainingSetRequest(body: unknown): TrainingSetInput | { readonly reason: string } {
  if (!isObject(body)) return { reason: 'the body must be a JSON object' };
  const { featureService, spine, timestampColumn, fullFeatureNames = false, asOf = {} } = body;
  if (typeof featureService !== 'string') return { reason: 'featureService must be the name of a FeatureService' };
  if (typeof timestampColumn !== 'string') return { reason: 'timestampColumn must name the column with each row’s time' };
  if (typeof fullFeatureNames !== 'boolean') return { reason: 'fullFeatureNames must be true or false' };
  if (!isPositions(asOf)) return { reason: 'asOf must be an object: topic -> next offset by partition, a list of whole numbers' };
  const given = isObject(spine) ? SPINE_FIELDS.filter((field) => spine[field] !== undefined) : [];
  if (!isObject(spine) || given.length !== 1) return { reason: 'spine must be an object with one of sql, rows and source' };
  const parsed = parseSpine(given[0] as (typeof SPINE_FIELDS)[number], spine);
  return 'reason' in parsed ? parsed : { featureService, spine: parsed, timestampColumn, fullFeatureNames, asOf };
}

function parseSpine(
  kind: (typeof SPINE_FIELDS)[number],
  spine: Readonly<Record<string, unknown>>,
): TrainingSetInput['spine'] | { readonly reason: string } {
  if (kind === 'sql') {
    const { sql } = spine;
    return typeof sql === 'string' && sql.trim() !== '' ? { kind, sql } : { reason: 'spine.sql must be a SELECT' };
  }
  if (kind === 'rows') {
    const { rows } = spine;
    if (!Array.isArray(rows) || rows.length === 0 || !rows.every(isObject))
      return { reason: 'spine.rows must be a list of objects, and not empty' };
    return { kind, rows };
  }
  const { source, columns = [], from = null, to = null } = spine;
  if (typeof source !== 'string') return { reason: 'spine.source must be the name of a Source' };
  if (!Array.isArray(columns) || !columns.every((column) => typeof column === 'string'))
    return { reason: 'spine.columns must be a list of column names' };
  const times = [from, to].map((value) => (value === null ? null : parseEventTime(value)));
  if (times.includes(undefined)) return { reason: 'spine.from and spine.to must be times: RFC 3339 text or milliseconds' };
  return { kind, source, columns, from: times[0] as number | null, to: times[1] as number | null };
}

function isPositions(value: unknown): value is TrainingSetInput['asOf'] {
  return (
    isObject(value) &&
    Object.values(value).every(
      (offsets) => Array.isArray(offsets) && offsets.every((offset) => Number.isSafeInteger(offset) && (offset as number) >= 0),
    )
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
