import type { PredictedRow } from '../domain/prediction/prediction.js';

/** Stands for every input and feature. */
const EVERYTHING = '*';

export interface Redaction {
  /** Names that are left out; `*` is every input and feature. */
  readonly redact: ReadonlySet<string>;
  /** Columns of the model's one input tensor, when it says them. */
  readonly columns: readonly string[] | undefined;
  /** The join key or input the rows' units are taken from; `unit` for the request's parameter. */
  readonly unitName: string | undefined;
}

/** The rows without what is not to be kept. Columns of a tensor are null in their place, so that the others keep theirs. */
export function redactRows(rows: readonly PredictedRow[], { redact, columns, unitName }: Redaction): PredictedRow[] {
  const isEverything = redact.has(EVERYTHING);
  const isUnitHidden = isEverything || (unitName !== undefined && redact.has(unitName));
  const hidden = new Set((columns ?? []).flatMap((name, index) => (redact.has(name) ? [index] : [])));
  const kept = <T>(values: Readonly<Record<string, T>> | null): Record<string, T> | null =>
    values === null ? null : Object.fromEntries(Object.entries(values).filter(([name]) => !isEverything && !redact.has(name)));
  return rows.map((row) => ({
    ...row,
    unit: isUnitHidden ? null : row.unit,
    entity: kept(row.entity),
    request: kept(row.request),
    features: kept(row.features),
    statuses: kept(row.statuses),
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
