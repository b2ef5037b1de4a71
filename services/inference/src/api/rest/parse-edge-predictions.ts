import type { EdgeOrigin, PredictionMade } from '../../domain/prediction/prediction.js';

/** What an upload says once for all its predictions. */
export interface EdgeUpload {
  readonly origin: Omit<EdgeOrigin, 'predictedAt'>;
  readonly deployment: string | null;
  /** SHA-256 of the registered version's artifact, as the export's manifest has it. */
  readonly digest: string | null;
  readonly predictions: readonly unknown[];
}

/** Why a field is not taken. `field` is its path in the thing that was parsed. */
export interface FieldRefusal {
  readonly field: string;
  readonly reason: string;
}

export type Parsed<T> = { readonly ok: true; readonly value: T } | ({ readonly ok: false } & FieldRefusal);

/** Ids the runners make are UUIDs; others may make their own. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{7,127}$/;
const RUNNERS = ['web', 'node'];
const SHA256 = /^[0-9a-f]{64}$/;
/** 2100-01-01: what a table's column of times surely holds. */
const LATEST = 4_102_444_800_000;
const LONGEST_LATENCY = 2 ** 32 - 1;
const LONGEST_TEXT = 1024;

/** Reads the part of an upload that is said once. */
export function parseUpload(body: unknown): Parsed<EdgeUpload> {
  if (!isObject(body)) return no('body', 'must be an object');
  const { device, session, runner, sentAt, graph = null, deployment = null, digest = null, predictions } = body;
  if (!isId(device)) return no('device', ID_RULE);
  if (!isId(session)) return no('session', ID_RULE);
  if (typeof runner !== 'string' || !RUNNERS.includes(runner)) return no('runner', `must be one of ${RUNNERS.join(', ')}`);
  if (!isTime(sentAt)) return no('sentAt', TIME_RULE);
  if (graph !== null && !isDigest(graph)) return no('graph', 'must be a SHA-256 in 64 lower-case hexadecimal digits');
  if (digest !== null && !isDigest(digest)) return no('digest', 'must be a SHA-256 in 64 lower-case hexadecimal digits');
  if (deployment !== null && !isText(deployment)) return no('deployment', 'must be the name of a Deployment, or null');
  if (!Array.isArray(predictions) || predictions.length === 0) return no('predictions', 'must be a list of at least one');
  return { ok: true, value: { origin: { device, session, runner, sentAt, graph }, deployment, digest, predictions } };
}

export interface EdgeModel {
  readonly name: string;
  readonly version: number;
  readonly digest: string | null;
}

/** Reads one prediction of an upload into its record. Tensors of more than `maxElements` are left out, as of the gateway's own. */
export function parsePrediction(
  value: unknown,
  { origin, deployment }: EdgeUpload,
  { name, version, digest }: EdgeModel,
  maxElements: number,
): Parsed<PredictionMade> {
  if (!isObject(value)) return no('', 'must be an object');
  const { id, time, unit = null, inputs = null, features = null, outputs = null, latencyMicros, error = null } = value;
  if (!isId(id)) return no('id', ID_RULE);
  if (!isTime(time)) return no('time', TIME_RULE);
  if (unit !== null && (typeof unit !== 'string' || unit.length > LONGEST_TEXT))
    return no('unit', `must be a string of at most ${LONGEST_TEXT} characters, or null`);
  for (const [field, given] of Object.entries({ inputs, features, outputs }))
    if (given !== null && !isObject(given)) return no(field, 'must be an object by name, or null');
  if (inputs === null && features === null) return no('inputs', 'must be there, or features');
  if (!(typeof latencyMicros === 'number' && latencyMicros >= 0 && latencyMicros <= LONGEST_LATENCY))
    return no('latencyMicros', `must be microseconds from 0 to ${LONGEST_LATENCY}`);
  if (error !== null && !(isObject(error) && isText(error['code']) && isText(error['message'])))
    return no('error', 'must be {code, message}, or null');
  if ((outputs === null) === (error === null)) return no('outputs', 'must be there, or error, and not both');
  const row = {
    ...{ row: 0, unit, entity: null, features: null, statuses: null },
    request: features as Record<string, unknown> | null,
    inputs: within(inputs as Record<string, unknown> | null, maxElements),
    outputs: within(outputs as Record<string, unknown> | null, maxElements),
  };
  const prediction: PredictionMade = {
    ...{ predictionId: id, requestId: null, deployment, model: name, version, digest },
    ...{ experiment: null, variant: null, rows: [row] },
    ...{ featureService: null, featureTime: null, featurePositions: null, featureVersions: null },
    ...{ batchRows: 1, latencyMicros, traceparent: null },
    error:
      error === null ? null : { code: String((error as { code: string }).code), message: String((error as { message: string }).message) },
    edge: { ...origin, predictedAt: time },
  };
  return { ok: true, value: prediction };
}

const ID_RULE = 'must be 8 to 128 letters, digits, dots, colons, underscores and hyphens';
const TIME_RULE = 'must be whole milliseconds since the epoch, before the year 2100';

function no(field: string, reason: string): { ok: false } & FieldRefusal {
  return { ok: false, field, reason };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value);
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && SHA256.test(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_TEXT;
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < LATEST;
}

function within(tensors: Record<string, unknown> | null, maxElements: number): Record<string, unknown> | null {
  return tensors !== null && elementsIn(tensors) <= maxElements ? tensors : null;
}

function elementsIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, one) => sum + elementsIn(one), 0);
  if (isObject(value)) return Object.values(value).reduce<number>((sum, one) => sum + elementsIn(one), 0);
  return 1;
}
