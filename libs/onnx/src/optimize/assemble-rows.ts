import { rowsTensor, rowValues, rowWidth, type AskedRow, type Rows } from '@millrace/edge';
import { FEATURES_METADATA } from '../logistic-regression.js';
import type { ModelSignature } from '../signature.js';

/** One row a model was asked for. */
export interface RecordedRow extends AskedRow {
  /** What the model gave for it. */
  readonly outputs?: Readonly<Record<string, unknown>> | null;
  /** What was true, where it is known: the label of the prediction. */
  readonly truth?: Truth | null;
}

export type Truth = number | boolean | string;

export interface AssembledRows {
  readonly rows: readonly Rows[];
  readonly used: number;
  /** What was true of each row that is used, where it is known. */
  readonly truths: readonly (Truth | undefined)[];
  /** Rows that do not fit the model's inputs, and why the first of them does not. */
  readonly skipped: number;
  readonly problem: string | undefined;
}

/**
 * Puts recorded rows into a model's inputs, as the gateway does: a model with one matrix takes its columns in the order its metadata names (`millrace.features`), one with an
 * input per feature takes each by name. A row that does not fit is left out and counted.
 */
export function assembleRows(
  { inputs }: Pick<ModelSignature, 'inputs'>,
  metadata: ReadonlyMap<string, string>,
  recorded: readonly RecordedRow[],
): AssembledRows {
  const text = metadata.get(FEATURES_METADATA);
  const columns = text === undefined ? undefined : (JSON.parse(text) as readonly string[]);
  const parts: unknown[][][] = [];
  const truths: (Truth | undefined)[] = [];
  const widths = inputs.map(rowWidth);
  let problem: string | undefined;
  for (const row of recorded) {
    const values = inputs.map((input, index) => rowValues(row, input, widths[index], columns));
    const missing = values.findIndex((one) => one === undefined);
    if (missing >= 0) {
      problem ??= `input ${JSON.stringify(inputs[missing]?.name)} takes ${widths[missing] ?? 'other'} values a row, which the row does not have`;
      continue;
    }
    // What the model leaves open is as the first row has it.
    values.forEach((one, index) => (widths[index] ??= one?.length));
    if (values.every((one, index) => one?.length === widths[index])) {
      parts.push(values as unknown[][]);
      truths.push(row.truth ?? undefined);
    } else problem ??= 'rows have different numbers of values';
  }
  const rows = inputs.map((input, index) =>
    rowsTensor(
      input,
      parts.map((values) => values[index] as unknown[]),
    ),
  );
  return { rows, truths, used: parts.length, skipped: recorded.length - parts.length, problem };
}
