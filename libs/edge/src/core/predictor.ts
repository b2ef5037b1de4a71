import type { EdgeManifest } from './manifest.js';
import { columnValue, rowsTensor, rowValues, rowWidth, type AskedRow, type Rows } from './row-tensors.js';

/** A model that is loaded: all outputs for one batch, in the order of the manifest. */
export interface EdgeSession {
  run(inputs: readonly Rows[]): Promise<readonly Rows[]>;
}

export interface EdgeAnswer {
  /** Output -> its value, or the list of its values; 64-bit integers beyond 2^53 as texts, what is not finite as `null`. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Output -> the class with the largest value, where the manifest names classes. */
  readonly classes: Readonly<Record<string, string | number>>;
}

/** A row that is not what the model takes; the message names the input or the column. */
export class RowRefused extends Error {
  override readonly name = 'RowRefused';
}

/** Answers rows one by one: puts a row into the model's inputs as the gateway does, runs, and reads the outputs. */
export class Predictor {
  constructor(
    readonly manifest: EdgeManifest,
    private readonly session: EdgeSession,
  ) {}

  async predict(row: AskedRow): Promise<EdgeAnswer> {
    const results = await this.session.run(this.inputsOf(row));
    const { classes } = this.manifest.postprocessing;
    const outputs: Record<string, unknown> = {};
    const found: Record<string, string | number> = {};
    for (const { name, data } of results) {
      const values = Array.from(data as Iterable<unknown>, plain);
      outputs[name] = values.length === 1 ? values[0] : values;
      const named = Object.hasOwn(classes, name) ? classes[name] : undefined;
      if (named?.length === values.length && values.length > 1) found[name] = named[largest(data as ArrayLike<number>)] as string | number;
    }
    return { outputs, classes: found };
  }

  inputsOf(row: AskedRow): Rows[] {
    const { inputs, preprocessing } = this.manifest;
    const columns = preprocessing.columns ?? undefined;
    return inputs.map((input) => {
      const width = rowWidth(input);
      const values = rowValues(row, input, width, columns);
      if (!values || values.length === 0) throw new RowRefused(whyNot(row, input.name, input.datatype, width, columns));
      return rowsTensor(input, [values]);
    });
  }
}

function whyNot(
  { inputs, features }: AskedRow,
  name: string,
  datatype: string,
  width: number | undefined,
  columns: readonly string[] | undefined,
): string {
  const needs = `${width ?? 'some'} ${width === 1 ? 'value' : 'values'} of ${datatype}`;
  if (inputs?.[name] !== undefined) return `input ${JSON.stringify(name)} takes ${needs}; the row has something else`;
  if (!features) return `the row has no "inputs" with ${JSON.stringify(name)}, and no "features"`;
  const missing = (columns ?? [name]).find((column) => columnValue(features, column) === undefined);
  if (missing !== undefined) return `the row has no feature ${JSON.stringify(missing)}`;
  const wrong = (columns ?? [name]).find((column) => !rowValues({ features }, { name, datatype, shape: undefined }, 1, [column]));
  const what = wrong === undefined ? 'a feature' : `feature ${JSON.stringify(wrong)}`;
  return `input ${JSON.stringify(name)} takes ${needs}; ${what} of the row is something else`;
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  return typeof value === 'number' && !Number.isFinite(value) ? null : value;
}

function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if ((values[index] as number) > (values[best] as number)) best = index;
  return best;
}
