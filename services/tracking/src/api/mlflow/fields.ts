import { checkEntityName, checkLength, cutTo, invalid, isOldClient, type Fields } from '@millrace/mlflow-protocol';
import type { FastifyRequest } from 'fastify';
import type { MetricPoint } from '../../domain/metric-points/metric-points.js';
import type { KeyValue } from '../../domain/run/run.decider.js';
import { FINAL_STATUSES, RUNNING_STATUSES, type RunStatus } from '../../domain/run/run.events.js';
import { LIMITS } from './limits.js';

const STATUSES: readonly RunStatus[] = [...RUNNING_STATUSES, ...FINAL_STATUSES];
/** By the numbers of MLflow's protocol buffers; old clients send them. */
const NUMBERED_STATUSES: readonly (RunStatus | undefined)[] = [undefined, 'RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'];

export type ViewType = 'ACTIVE_ONLY' | 'DELETED_ONLY' | 'ALL';
const NUMBERED_VIEWS: readonly (ViewType | undefined)[] = [undefined, 'ACTIVE_ONLY', 'DELETED_ONLY', 'ALL'];

/** `run_id`, or `run_uuid` as clients before 1.0 called it. */
export function runIdOf(fields: Fields): string {
  const id = fields.string('run_id') || fields.string('run_uuid');
  if (!id) return fields.requiredString('run_id');
  // What no run id can be is no run; it must not become a subject.
  if (!/^[A-Za-z0-9][\w-]{0,255}$/.test(id)) throw invalid(`Invalid run ID: '${id}'`);
  return id;
}

export function statusOf(fields: Fields): RunStatus | null {
  if (!fields.has('status')) return null;
  const value = fields.values['status'];
  const status = typeof value === 'number' ? NUMBERED_STATUSES[value] : STATUSES.find((known) => known === value);
  if (!status)
    throw invalid(`Invalid value ${JSON.stringify(value)} for parameter 'status' supplied. Valid values are ${STATUSES.join(', ')}.`);
  return status;
}

export function viewTypeOf(fields: Fields, name: string): ViewType {
  if (!fields.has(name)) return 'ACTIVE_ONLY';
  const value = fields.values[name];
  const number = typeof value === 'string' && /^\d$/.test(value) ? Number(value) : value;
  const view = typeof number === 'number' ? NUMBERED_VIEWS[number] : NUMBERED_VIEWS.find((known) => known === number);
  if (!view)
    throw invalid(
      `Invalid value ${JSON.stringify(value)} for parameter '${name}' supplied. Valid values are ACTIVE_ONLY, DELETED_ONLY, ALL.`,
    );
  return view;
}

export function metricOf(fields: Fields): MetricPoint {
  const key = fields.requiredString('key');
  const value = fields.requiredDouble('value');
  const timestamp = fields.requiredInteger('timestamp');
  const step = fields.integer('step') ?? 0;
  checkEntityName('metric', key);
  checkLength('Metric name', LIMITS.keyLength, key);
  if (timestamp < 0) {
    throw invalid(
      `Got invalid timestamp ${timestamp} for metric '${key}' (value=${value}). Timestamp must be a nonnegative long (64-bit integer)`,
    );
  }
  return { key, value, timestamp, step };
}

/** What becomes of a value of a param or tag that is too long: servers of MLflow 3 cut it, those of MLflow 2 refuse the request. */
export type LongValues = 'cut' | 'refused';

export function longValuesFor(request: FastifyRequest): LongValues {
  return isOldClient(request.headers['user-agent']) ? 'refused' : 'cut';
}

export function paramOf(fields: Fields, long: LongValues): KeyValue {
  const [key, value] = [fields.requiredString('key'), fields.string('value') ?? ''];
  checkEntityName('parameter', key);
  checkLength('Param key', LIMITS.keyLength, key);
  if (long === 'refused') checkLength('Param value', LIMITS.paramValueLength, value);
  return { key, value: cutTo(LIMITS.paramValueLength, value) };
}

export function tagOf(fields: Fields, long: LongValues): KeyValue {
  const [key, value] = [tagKeyOf(fields), fields.string('value') ?? ''];
  if (long === 'refused') checkLength('Tag value', LIMITS.tagValueLength, value);
  return { key, value: cutTo(LIMITS.tagValueLength, value) };
}

/** Values of these are not cut by any server. */
export function experimentTagOf(fields: Fields): KeyValue {
  const [key, value] = [tagKeyOf(fields), fields.string('value') ?? ''];
  checkLength('Tag value', LIMITS.experimentTagValueLength, value);
  return { key, value };
}

function tagKeyOf(fields: Fields): string {
  const key = fields.requiredString('key');
  checkEntityName('tag', key);
  checkLength('Tag key', LIMITS.keyLength, key);
  return key;
}

/** Refuses a list that is longer than a batch may be. */
export function checkBatchLimit(what: string, limit: number, length: number): void {
  if (length > limit) {
    throw invalid(
      `A batch logging request can contain at most ${limit} ${what}. Got ${length} ${what}. Please split up ${what} across multiple requests and try again.`,
    );
  }
}

/** `max_results`, between 1 and `most`. */
export function maxResultsOf(fields: Fields, byDefault: number, most: number): number {
  const value = fields.integer('max_results') ?? byDefault;
  if (value < 1 || value > most) {
    throw invalid(
      `Invalid value ${value} for parameter 'max_results' supplied. It must be at least 1 and at most ${most}, but got value ${value}`,
    );
  }
  return value;
}
