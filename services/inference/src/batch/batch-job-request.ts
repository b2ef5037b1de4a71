import { parseEventTime, TIME_FORMS } from '@millrace/feature-engine';
import type { BatchLogging, OnRowError } from '../domain/batch-job/batch-job.events.js';

export type BatchRows =
  | { readonly kind: 'query'; readonly sql: string }
  | { readonly kind: 'file'; readonly format: 'parquet' | 'csv'; readonly bytes: Buffer }
  | { readonly kind: 'trainingSet'; readonly id: string };

/** A batch job as it is asked for. */
export interface BatchJobInput {
  /** One of the two: a deployment's name, or a model's reference. */
  readonly deployment: string | undefined;
  readonly model: string | undefined;
  readonly input: BatchRows;
  readonly features: readonly string[] | undefined;
  readonly featureService: string | undefined;
  /** Milliseconds since the epoch. */
  readonly eventTime: number | undefined;
  readonly outputs: readonly string[] | undefined;
  readonly prefix: string;
  readonly keep: readonly string[] | undefined;
  readonly onRowError: OnRowError;
  readonly log: BatchLogging;
  readonly sampleRate: number;
  readonly output: 'parquet' | 'table';
  readonly chunkRows: number | undefined;
}

interface Reason {
  readonly reason: string;
}

type Fields = Readonly<Record<string, unknown>>;

const INPUTS = ['query', 'csv', 'trainingSet'] as const;
const SETTINGS = [
  ...['deployment', 'model', 'features', 'featureService', 'eventTime', 'outputs', 'prefix', 'keep'],
  ...['onRowError', 'log', 'sampleRate', 'output', 'chunkRows'],
];
const LISTS = ['features', 'outputs', 'keep'];
const NUMBERS = ['sampleRate', 'chunkRows'];
const USUAL_SAMPLE_RATE = 0.01;
const MOST_CHUNK_ROWS = 100_000;

/** Reads the body of `POST /api/v1/batch-jobs`; says what is wrong with it. */
export function parseBatchJobRequest(body: unknown): BatchJobInput | Reason {
  if (!isObject(body)) return { reason: 'the body must be a JSON object' };
  const { input, ...settings } = body;
  const unknown = Object.keys(settings).find((field) => !SETTINGS.includes(field));
  if (unknown !== undefined) return { reason: `there is no field ${unknown}; the fields are input, ${SETTINGS.join(', ')}` };
  const given = isObject(input) ? Object.keys(input) : [];
  const [kind] = given;
  if (!isObject(input) || given.length !== 1 || !INPUTS.includes(kind as (typeof INPUTS)[number]))
    return { reason: `input must be an object with one of ${INPUTS.join(', ')}; or send a Parquet or CSV file as the body` };
  const value = input[kind as string];
  if (typeof value !== 'string' || value.trim() === '')
    return {
      reason: `input.${kind} must be ${kind === 'query' ? 'a SELECT' : kind === 'csv' ? 'text whose first line names the columns' : 'the id of a training set'}`,
    };
  if (kind === 'query') return withSettings(settings, { kind, sql: value });
  if (kind === 'csv') return withSettings(settings, { kind: 'file', format: 'csv', bytes: Buffer.from(value) });
  return withSettings(settings, { kind: 'trainingSet', id: value });
}

/** Reads the query parameters that come with a file of rows; lists are separated by commas. */
export function parseUploadedRows(query: Fields, file: Extract<BatchRows, { kind: 'file' }>): BatchJobInput | Reason {
  const unknown = Object.keys(query).find((field) => !SETTINGS.includes(field));
  if (unknown !== undefined) return { reason: `there is no parameter ${unknown}; the parameters are ${SETTINGS.join(', ')} and wait` };
  const settings = Object.entries(query).map(([name, value]) => {
    if (typeof value !== 'string') return [name, value];
    if (LISTS.includes(name)) return [name, value.split(',').map((part) => part.trim())];
    return [name, NUMBERS.includes(name) || (name === 'eventTime' && /^\d+$/.test(value)) ? Number(value) : value];
  });
  return withSettings(Object.fromEntries(settings) as Fields, file);
}

function withSettings(settings: Fields, input: BatchRows): BatchJobInput | Reason {
  const { deployment, model, features, featureService, eventTime, outputs, prefix = '', keep } = settings;
  const { onRowError = 'column', log = 'none', sampleRate = USUAL_SAMPLE_RATE, output = 'parquet', chunkRows } = settings;
  if ((deployment === undefined) === (model === undefined))
    return { reason: 'say deployment (its name) or model (models:/name@alias or models:/name/1)' };
  for (const [name, value] of Object.entries({ deployment, model, featureService })) {
    if (value !== undefined && (typeof value !== 'string' || value === '')) return { reason: `${name} must be a name` };
  }
  for (const [name, value] of Object.entries({ features, outputs, keep })) {
    if (value === undefined) continue;
    if (!isNames(value)) return { reason: `${name} must be a list of different column names` };
  }
  const time = eventTime === undefined ? undefined : parseEventTime(eventTime);
  if (eventTime !== undefined && time === undefined) return { reason: `eventTime must be ${TIME_FORMS}` };
  if (typeof prefix !== 'string') return { reason: 'prefix must be text' };
  if (onRowError !== 'column' && onRowError !== 'fail') return { reason: 'onRowError must be column (the default) or fail' };
  if (log !== 'none' && log !== 'sampled' && log !== 'all') return { reason: 'log must be none (the default), sampled or all' };
  if (typeof sampleRate !== 'number' || !(sampleRate > 0 && sampleRate <= 1))
    return { reason: 'sampleRate must be a number above 0 and at most 1' };
  if (output !== 'parquet' && output !== 'table') return { reason: 'output must be parquet (the default) or table' };
  if (chunkRows !== undefined && !(Number.isInteger(chunkRows) && (chunkRows as number) >= 1 && (chunkRows as number) <= MOST_CHUNK_ROWS))
    return { reason: `chunkRows must be a whole number from 1 to ${MOST_CHUNK_ROWS}` };
  return {
    deployment: deployment as string | undefined,
    model: model as string | undefined,
    input,
    features: features as readonly string[] | undefined,
    featureService: featureService as string | undefined,
    eventTime: time,
    outputs: outputs as readonly string[] | undefined,
    keep: keep as readonly string[] | undefined,
    ...{ prefix, onRowError, log, output },
    sampleRate: log === 'sampled' ? sampleRate : log === 'all' ? 1 : 0,
    chunkRows: chunkRows as number | undefined,
  };
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== '') && new Set(value).size === value.length;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
