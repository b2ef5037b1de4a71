import type { PredictionLogRules } from '../domain/deployment/definitions.js';
import type { PredictedRow, PredictionMade } from '../domain/prediction/prediction.js';
import { unqualified } from './assemble-tensors.js';
import type { UnitSource } from './units.js';

/** Stands for every input and feature. */
const EVERYTHING = '*';
/** Stands for the unit, wherever it is from. */
const UNIT = 'unit';

export interface Redaction {
  /** Names that are left out; `*` is every input and feature. */
  readonly redact: ReadonlySet<string>;
  /** What of it is left out of features and columns: see {@link featureNames}. */
  readonly redactFeatures: ReadonlySet<string>;
  /** Columns of the model's one input tensor, when it says them; `null` where nobody can tell: then no tensor is kept. */
  readonly columns: readonly string[] | null | undefined;
  readonly units: UnitSource;
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
  of: Pick<Redaction, 'columns' | 'units'>,
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

/** Whether the inputs of a row, or any of them, may be kept: only then does it matter which column is which. */
export function keepsInputs(row: PredictedRow, redact: ReadonlySet<string>): boolean {
  return !redact.has(EVERYTHING) && Object.keys(row.inputs ?? {}).some((name) => !redact.has(name));
}

/** The rows without what is not to be kept. Columns of a tensor are null in their place, so that the others keep theirs. */
export function redactRows(rows: readonly PredictedRow[], redaction: Redaction): PredictedRow[] {
  const { redact, redactFeatures, columns, units } = redaction;
  const isEverything = redact.has(EVERYTHING);
  const isUnitHidden = isEverything || redact.has(UNIT) || (units.names?.some((name) => redact.has(name)) ?? true);
  const hidden = new Set(
    (columns ?? []).flatMap((name, index) => (redactFeatures.has(name) || redactFeatures.has(unqualified(name)) ? [index] : [])),
  );
  const width = columns?.length ?? 0;
  const kept = <T>(values: Readonly<Record<string, T>> | null, names = redact): Record<string, T> | null =>
    values === null ? null : Object.fromEntries(Object.entries(values).filter(([name]) => !isEverything && !names.has(name)));
  return rows.map((row) => {
    // Tensors that do not have one row per row stand with the first.
    const inputs = row.inputs ?? rows[0]?.inputs ?? null;
    const isLeftOut = (): boolean => units.isSaid && (isUnseen(row, inputs) || isAmong(row.unit, leftOut(row, inputs, redaction, hidden)));
    return {
      ...row,
      unit: isUnitHidden || isLeftOut() ? null : row.unit,
      entity: kept(row.entity),
      request: kept(row.request),
      features: kept(row.features, redactFeatures),
      statuses: kept(row.statuses, redactFeatures),
      inputs: columns === null ? null : withoutColumns(kept(row.inputs), hidden, width),
      outputs: row.outputs === null ? null : Object.fromEntries(Object.entries(row.outputs).filter(([name]) => !redact.has(name))),
    };
  });
}

/** Whether the record has nothing of what was sent, which was too large for it: then nobody can tell whether the unit is of it. */
function isUnseen({ entity, request, features }: PredictedRow, inputs: PredictedRow['inputs']): boolean {
  return entity === null && request === null && features === null && inputs === null;
}

function isAmong(unit: string | null, values: Iterable<unknown>): boolean {
  for (const value of values) if ([value].flat(Infinity).some((one) => String(one) === unit)) return true;
  return false;
}

/** What of a row is not to be kept. */
function* leftOut(
  { entity, request, features }: PredictedRow,
  inputs: PredictedRow['inputs'],
  { redact, redactFeatures, columns }: Redaction,
  hidden: ReadonlySet<number>,
): Generator {
  for (const [values, names] of [[entity, redact] as const, [request, redact] as const, [features, redactFeatures] as const])
    for (const [name, value] of Object.entries(values ?? {})) if (names.has(name)) yield value;
  const width = columns?.length ?? 0;
  for (const [name, value] of Object.entries(inputs ?? {})) {
    if (columns === null || redact.has(name)) yield value;
    else if (hidden.size > 0) yield hasColumns(value, width) ? value.filter((_, index) => hidden.has(index % width)) : value;
  }
}

function withoutColumns(
  inputs: Record<string, unknown> | null,
  hidden: ReadonlySet<number>,
  width: number,
): Record<string, unknown> | null {
  if (inputs === null || hidden.size === 0) return inputs;
  // A tensor of several rows is one list of them all.
  const blank = (value: unknown): unknown =>
    hasColumns(value, width) ? value.map((one, index) => (hidden.has(index % width) ? null : one)) : null;
  return Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, blank(value)]));
}

function hasColumns(value: unknown, width: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length % width === 0;
}
