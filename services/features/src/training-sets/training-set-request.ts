import { parseEventTime, TIME_FORMS } from '@millrace/feature-engine';
import { parsePosition, type Position } from '@millrace/kernel';
import type { Spine } from '../domain/training-set/training-set.events.js';

/** What of the log counts. */
export type Known =
  /** All that is on the log now. */
  | { readonly kind: 'now' }
  /** Topic -> next offset by partition. Topics that are not named: all that is on the log now. */
  | { readonly kind: 'positions'; readonly positions: Readonly<Record<string, readonly number[]>> }
  /** What had been appended at this time, in milliseconds since the epoch. */
  | { readonly kind: 'time'; readonly at: number }
  /** What the log held when this record was appended, the record included. */
  | { readonly kind: 'position'; readonly position: Position }
  /** Of predictions: for each row, what it was answered from. */
  | { readonly kind: 'served' };

export type SpineInput =
  | { readonly kind: 'sql'; readonly sql: string }
  | { readonly kind: 'rows'; readonly rows: readonly Readonly<Record<string, unknown>>[] }
  | { readonly kind: 'file'; readonly format: 'parquet' | 'csv'; readonly bytes: Buffer }
  | { readonly kind: 'predictions'; readonly deployment: string | null; readonly from: number | null; readonly to: number | null }
  | Extract<Spine, { readonly kind: 'source' }>;

export const OUTPUTS = ['parquet', 'arrow', 'table'] as const;
export type Output = (typeof OUTPUTS)[number];

/** A training set as it is asked for. */
export interface TrainingSetInput {
  readonly featureService: string;
  readonly spine: SpineInput;
  readonly timestampColumn: string;
  readonly fullFeatureNames: boolean;
  readonly known: Known;
  readonly output: Output;
}

interface Reason {
  readonly reason: string;
}

const SPINE_FIELDS = ['sql', 'rows', 'csv', 'source', 'predictions'] as const;
const FIELDS = ['featureService', 'spine', 'timestampColumn', 'fullFeatureNames', 'asOf', 'asKnown', 'output'];
/** The predictions' own column with the time their features are of. */
const PREDICTIONS_TIME = 'feature_time';

/** Reads the body of `POST /api/v1/training-sets`; says what is wrong with it. */
export function parseTrainingSetRequest(body: unknown): TrainingSetInput | Reason {
  if (!isObject(body)) return { reason: 'the body must be a JSON object' };
  const unknown = Object.keys(body).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) return { reason: `there is no field ${unknown}; the fields are ${FIELDS.join(', ')}` };
  const { spine } = body;
  const given = isObject(spine) ? SPINE_FIELDS.filter((field) => spine[field] !== undefined) : [];
  if (!isObject(spine) || given.length !== 1) {
    return { reason: `spine must be an object with one of ${SPINE_FIELDS.slice(0, -1).join(', ')} and ${SPINE_FIELDS.at(-1)}` };
  }
  const parsed = parseSpine(given[0] as (typeof SPINE_FIELDS)[number], spine);
  return 'reason' in parsed ? parsed : withSpine(body, parsed);
}

/** Reads the query parameters that come with a file of rows. */
export function parseUploadedSpine(
  query: Readonly<Record<string, unknown>>,
  file: Extract<SpineInput, { kind: 'file' }>,
): TrainingSetInput | Reason {
  const fields = FIELDS.filter((field) => field !== 'spine');
  const unknown = Object.keys(query).find((field) => !fields.includes(field));
  if (unknown !== undefined) return { reason: `there is no parameter ${unknown}; the parameters are ${fields.join(', ')} and wait` };
  const { fullFeatureNames, asKnown, ...rest } = query;
  const flag = fullFeatureNames === undefined ? {} : { fullFeatureNames: fullFeatureNames === 'true' || fullFeatureNames === '1' };
  // Positions of several partitions do not fit a word; as query text they are JSON.
  const isJson = typeof asKnown === 'string' && asKnown.startsWith('{');
  try {
    const known = asKnown === undefined ? {} : { asKnown: isJson ? (JSON.parse(asKnown) as unknown) : asKnown };
    return withSpine({ ...rest, ...flag, ...known }, file);
  } catch {
    return { reason: 'asKnown is not JSON' };
  }
}

function withSpine(body: Readonly<Record<string, unknown>>, spine: SpineInput): TrainingSetInput | Reason {
  const usual = spine.kind === 'predictions' ? PREDICTIONS_TIME : undefined;
  const { featureService, timestampColumn = usual, fullFeatureNames = false, output = 'parquet' } = body;
  if (typeof featureService !== 'string') return { reason: 'featureService must be the name of a FeatureService' };
  if (typeof timestampColumn !== 'string') return { reason: 'timestampColumn must name the column with each row’s time' };
  if (typeof fullFeatureNames !== 'boolean') return { reason: 'fullFeatureNames must be true or false' };
  if (!OUTPUTS.includes(output as Output)) return { reason: `output must be one of ${OUTPUTS.join(', ')}` };
  const known = parseKnown(body['asOf'], body['asKnown']);
  if ('reason' in known) return known;
  if (known.kind === 'served' && spine.kind !== 'predictions')
    return { reason: 'asKnown "served" is for spine.predictions: only predictions say what they were answered from' };
  return { featureService, spine, timestampColumn, fullFeatureNames, known, output: output as Output };
}

/** `asOf: "eventTime"` (or nothing) is the final truth, `asKnown` what was known; positions in `asOf` are those in `asKnown`. */
function parseKnown(asOf: unknown, asKnown: unknown): Known | Reason {
  const isTruth = asOf === undefined || asOf === 'eventTime';
  if (!isTruth && asKnown !== undefined) return { reason: 'say asOf or asKnown, not both' };
  if (!isTruth) {
    if (!isPositions(asOf))
      return { reason: 'asOf must be "eventTime", or an object: topic -> next offset by partition, a list of whole numbers' };
    return { kind: 'positions', positions: asOf };
  }
  if (asKnown === undefined) return { kind: 'now' };
  if (asKnown === 'served') return { kind: 'served' };
  if (isPositions(asKnown)) return { kind: 'positions', positions: asKnown };
  const position = typeof asKnown === 'string' ? parsePosition(asKnown) : undefined;
  if (position) return { kind: 'position', position };
  const at = parseEventTime(typeof asKnown === 'string' && /^-?\d+$/.test(asKnown) ? Number(asKnown) : asKnown);
  if (at !== undefined) return { kind: 'time', at };
  return {
    reason: `asKnown must be ${TIME_FORMS}; or a position such as trips/0@41, or an object: topic -> next offset by partition`,
  };
}

function parseSpine(kind: (typeof SPINE_FIELDS)[number], spine: Readonly<Record<string, unknown>>): SpineInput | Reason {
  switch (kind) {
    case 'sql': {
      const { sql } = spine;
      return typeof sql === 'string' && sql.trim() !== '' ? { kind, sql } : { reason: 'spine.sql must be a SELECT' };
    }
    case 'rows': {
      const { rows } = spine;
      if (!Array.isArray(rows) || rows.length === 0 || !rows.every(isObject))
        return { reason: 'spine.rows must be a list of objects, and not empty' };
      return { kind, rows };
    }
    case 'csv': {
      const { csv } = spine;
      if (typeof csv !== 'string') return { reason: 'spine.csv must be text whose first line names the columns' };
      return { kind: 'file', format: 'csv', bytes: Buffer.from(csv) };
    }
    case 'predictions':
      return parsePredictions(spine['predictions']);
    case 'source': {
      const { source, columns = [], from, to } = spine;
      if (typeof source !== 'string') return { reason: 'spine.source must be the name of a Source' };
      if (!Array.isArray(columns) || !columns.every((column) => typeof column === 'string'))
        return { reason: 'spine.columns must be a list of column names' };
      const times = parseRange(from, to);
      return times ? { kind, source, columns, ...times } : { reason: `spine.from and spine.to must each be ${TIME_FORMS}` };
    }
  }
}

function parsePredictions(given: unknown): SpineInput | Reason {
  if (!isObject(given)) return { reason: 'spine.predictions must be an object; {} is every prediction' };
  const { deployment = null, from, to } = given;
  if (deployment !== null && typeof deployment !== 'string')
    return { reason: 'spine.predictions.deployment must be the name of a Deployment' };
  const times = parseRange(from, to);
  if (!times) return { reason: `spine.predictions.from and .to must each be ${TIME_FORMS}` };
  return { kind: 'predictions', deployment, ...times };
}

function parseRange(from: unknown, to: unknown): { from: number | null; to: number | null } | undefined {
  const times = [from, to].map((value) => (value === null || value === undefined ? null : parseEventTime(value)));
  return times.includes(undefined) ? undefined : { from: times[0] as number | null, to: times[1] as number | null };
}

function isPositions(value: unknown): value is Readonly<Record<string, readonly number[]>> {
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
