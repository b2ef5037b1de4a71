import type { PredictionLogRules } from '../domain/deployment/definitions.js';
import type { PredictedRow, PredictionMade } from '../domain/prediction/prediction.js';
import { unqualified } from './assemble-tensors.js';

/** Stands for every input and feature. */
const EVERYTHING = '*';

export interface Redaction {
  /** Names that are left out; `*` is every input and feature. */
  readonly redact: ReadonlySet<string>;
  /** What of it is left out of features and columns: see {@link featureNames}. */
  readonly redactFeatures: ReadonlySet<string>;
  /** Columns of the model's one input tensor, when it says them. */
  readonly columns: readonly string[] | undefined;
  /** The join key or input the rows' units are taken from; `unit` for the request's parameter. */
  readonly unitName: string | undefined;
}

/** Errors whose messages are our own words about queue and time. Those of models, features and wrong requests may quote values. */
const UNQUOTING: ReadonlySet<string> = new Set([
  'MR_INFERENCE_LOADING',
  'MR_INFERENCE_BUSY',
  'MR_INFERENCE_DEADLINE',
  'MR_INFERENCE_CANCELLED',
  'MR_INFERENCE_CRASHED',
]);

/** The record without what its deployment does not want kept, wherever the prediction was made: at the gateway, in a batch job, at the edge. */
export function redactRecord(
  record: PredictionMade,
  rules: PredictionLogRules | undefined,
  of: Pick<Redaction, 'columns' | 'unitName'>,
): PredictionMade {
  if (rules === undefined || rules.redact.size === 0) return record;
  const { error } = record;
  const isQuoting = error !== null && !UNQUOTING.has(error.code);
  return {
    ...record,
    rows: redactRows(record.rows, { ...rules, ...of }),
    error: isQuoting ? { code: error.code, message: 'not recorded: it may quote what was sent' } : error,
  };
}

/** Names with and without their view: a record has a feature's own name, and the view before it only where two views have one of that name. */
export function featureNames(names: readonly string[]): Set<string> {
  return new Set(names.flatMap((name) => [name, unqualified(name), name.replace(':', '__')]));
}

/** Whether the units are not to be kept: they go with the key or input they are taken from. */
export function hidesUnit(redact: ReadonlySet<string>, unitName: string | undefined): boolean {
  return redact.has(EVERYTHING) || (unitName !== undefined && redact.has(unitName));
}

/** Whether the inputs of a row, or any of them, may be kept: only then does it matter which column is which. */
export function keepsInputs(row: PredictedRow, redact: ReadonlySet<string>): boolean {
  return !redact.has(EVERYTHING) && Object.keys(row.inputs ?? {}).some((name) => !redact.has(name));
}

/** The rows without what is not to be kept. Columns of a tensor are null in their place, so that the others keep theirs. */
export function redactRows(rows: readonly PredictedRow[], { redact, redactFeatures, columns, unitName }: Redaction): PredictedRow[] {
  const isEverything = redact.has(EVERYTHING);
  const isUnitHidden = hidesUnit(redact, unitName);
  const hidden = new Set(
    (columns ?? []).flatMap((name, index) => (redactFeatures.has(name) || redactFeatures.has(unqualified(name)) ? [index] : [])),
  );
  const kept = <T>(values: Readonly<Record<string, T>> | null, names = redact): Record<string, T> | null =>
    values === null ? null : Object.fromEntries(Object.entries(values).filter(([name]) => !isEverything && !names.has(name)));
  return rows.map((row) => ({
    ...row,
    unit: isUnitHidden ? null : row.unit,
    entity: kept(row.entity),
    request: kept(row.request),
    features: kept(row.features, redactFeatures),
    statuses: kept(row.statuses, redactFeatures),
    inputs: withoutColumns(kept(row.inputs), hidden, columns?.length ?? 0),
    outputs: row.outputs === null ? null : Object.fromEntries(Object.entries(row.outputs).filter(([name]) => !redact.has(name))),
  }));
}

function withoutColumns(
  inputs: Record<string, unknown> | null,
  hidden: ReadonlySet<number>,
  width: number,
): Record<string, unknown> | null {
  if (inputs === null || hidden.size === 0) return inputs;
  // A tensor of several rows is one list of them all.
  const blank = (value: unknown): unknown =>
    Array.isArray(value) && value.length % width === 0
      ? value.map((one: unknown, index) => (hidden.has(index % width) ? null : one))
      : null;
  return Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, blank(value)]));
}
