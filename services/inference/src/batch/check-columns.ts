import { parquetColumn } from '@millrace/offline-store';
import { FEATURES_METADATA } from '@millrace/onnx';
import type { BatchColumn } from '../domain/batch-job/batch-job.events.js';
import { describe } from '../domain/tensor/check-inputs.js';
import { elementsOf, type Datatype, type TensorSpec } from '../domain/tensor/tensor.js';
import { columnsOf, nameIn, type TensorLayout } from '../gateway/assemble-tensors.js';
import type { FeatureServiceShape } from '../gateway/feature-vectors.js';
import { batchFault } from './batch-fault.js';

const MOST_NAMED = 20;
const NUMBERS = /^(U?Int\d+|Float\d+|BFloat16|Decimal.*|Bool)$/;

/** Holds the names of columns to the model's one input, whoever gives them: `given` when the request does. */
export function checkFeatureNames({ inputs, features }: TensorLayout, given: boolean): void {
  const [only] = inputs;
  if (given && inputs.length !== 1) throw batchFault('features is for a model with one input; this one takes its inputs by their names');
  const width = only?.shape?.length === 2 ? (only.shape[1] as number) : undefined;
  if (inputs.length !== 1 || !only || width === undefined || width === -1) return;
  const takes = `input ${JSON.stringify(only.name)} takes ${width} values a row`;
  if (given && features && features.length !== width) throw batchFault(`features names ${features.length} columns, and ${takes}`);
  if (!features && width !== 1)
    throw batchFault(
      `${takes}, and the model does not say which columns they are; name them in order in features, or once for all in the model's metadata entry ${FEATURES_METADATA}, a JSON list`,
    );
}

/** Whether all that the model takes is among the columns. */
export function hasAllColumns(layout: TensorLayout, columns: readonly BatchColumn[]): boolean {
  const names = new Set(columns.map(({ name }) => name));
  return columnsOf(layout).every((input) => input.columns.every((column) => nameIn(column, (name) => names.has(name)) !== undefined));
}

/** Holds the input's columns to the model's signature; throws with the names of the columns that are amiss. */
export function checkModelColumns(layout: TensorLayout, columns: readonly BatchColumn[]): void {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const problems: string[] = [];
  for (const { input, columns: needed } of columnsOf(layout)) {
    for (const column of needed) {
      const name = nameIn(column, (given) => types.has(given));
      if (name === undefined)
        problems.push(`there is no column ${JSON.stringify(column)}, which the model takes in its ${inputText(input)}`);
      else if (!fits(types.get(name) as string, input.datatype))
        problems.push(`column ${JSON.stringify(name)} is ${types.get(name)}; the model's ${inputText(input)} takes numbers`);
    }
  }
  refuse(problems, columns);
}

/** Throws where a column that is not read, a list of the file, is what the model takes or is to be carried over: all are, unless `keep` says which. */
export function checkNested(
  { nested }: { readonly nested: readonly string[] },
  layout: TensorLayout,
  keep: readonly string[] | undefined,
): void {
  const [first] = nested;
  if (first === undefined) return;
  const is = (name: string): string => `column ${JSON.stringify(name)} of the Parquet file is nested; only flat columns are read`;
  const needed = columnsOf(layout)
    .flatMap(({ columns }) => columns)
    .find((column) => nested.includes(column));
  if (needed !== undefined) throw batchFault(`${is(needed)}, and the model takes it`);
  const kept = keep?.find((name) => nested.includes(name));
  if (kept !== undefined) throw batchFault(`${is(kept)}; leave it out of keep`);
  if (keep === undefined) throw batchFault(`${is(first)}; name in keep the columns that the output is to have of the input, without it`);
}

/** Holds the input's columns to what features are read by and to what comes with the request. */
export function checkEntityColumns(shape: FeatureServiceShape, featureService: string, columns: readonly BatchColumn[]): void {
  const names = new Set(columns.map(({ name }) => name));
  const problems = [
    ...shape.joinKeys.map(({ name, type }) => ({ name, type, what: 'join key' })),
    ...shape.requestFeatures.map(({ name, type }) => ({ name, type, what: 'request feature' })),
  ]
    .filter(({ name }) => !names.has(name))
    .map(({ name, type, what }) => `there is no column ${JSON.stringify(name)} (${type}), a ${what} of feature service ${featureService}`);
  refuse(problems, columns);
}

/** Holds the features that are read, and what comes with the request, to what the model takes. */
export function checkServedFeatures(layout: TensorLayout, featureService: string, served: ReadonlySet<string>): void {
  const missing = columnsOf(layout).flatMap((input) =>
    input.columns.filter((column) => nameIn(column, (name) => served.has(name)) === undefined),
  );
  if (missing.length === 0) return;
  const names = missing.map((name) => JSON.stringify(name)).join(', ');
  throw batchFault(`the model takes ${names}, which feature service ${featureService} does not give; it gives ${list([...served])}`);
}

/** A column of the output that holds what the model gives under a name. */
export interface OutputColumn {
  /** Of the model's output. */
  readonly output: string;
  readonly name: string;
  readonly datatype: Datatype;
  /** Several values a row, or a number of them that only the run tells. */
  readonly isList: boolean;
  /** In ClickHouse's words. */
  readonly type: string;
}

const TYPES: Readonly<Record<Datatype, string>> = {
  BOOL: 'Bool',
  UINT8: 'UInt8',
  UINT16: 'UInt16',
  UINT32: 'UInt32',
  UINT64: 'UInt64',
  INT8: 'Int8',
  INT16: 'Int16',
  INT32: 'Int32',
  INT64: 'Int64',
  FP16: 'Float32',
  BF16: 'Float32',
  FP32: 'Float32',
  FP64: 'Float64',
  BYTES: 'String',
};

/** The columns of the named outputs. A row without values has nulls in them, or empty lists. */
export function outputColumns(specs: readonly TensorSpec[], outputs: readonly string[], prefix: string): OutputColumn[] {
  return outputs.map((output) => {
    const spec = specs.find(({ name }) => name === output);
    if (!spec) throw batchFault(`the model has no output ${JSON.stringify(output)}; it has ${list(specs.map(({ name }) => name))}`);
    const { datatype, shape } = spec;
    const isList = shape === undefined || shape.slice(1).includes(-1) || elementsOf(shape.slice(1)) !== 1;
    const type = isList ? `Array(${TYPES[datatype]})` : `Nullable(${TYPES[datatype]})`;
    return { output, name: `${prefix}${output}`, datatype, isList, type };
  });
}

/** Throws where a column of the input is carried over and one of the values has its name. */
export function checkNames(keep: readonly string[], columns: readonly BatchColumn[], own: readonly string[]): void {
  const names = columns.map(({ name }) => name);
  const unknown = keep.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw batchFault(`keep names ${JSON.stringify(unknown)}, and the input has no such column; it has ${list(names)}`);
  const clash = own.find((name) => keep.includes(name));
  if (clash !== undefined)
    throw batchFault(`the input has a column ${JSON.stringify(clash)}, and so has the output; say prefix, or leave the column out of keep`);
}

/** Throws where a column that is carried over is of a type the output cannot hold. */
export function checkWritten(keep: readonly string[], columns: readonly BatchColumn[]): void {
  const odd = columns.find(({ name, type }) => keep.includes(name) && !parquetColumn('', type));
  if (odd)
    throw batchFault(
      `column ${JSON.stringify(odd.name)} is ${odd.type}, which a Parquet file cannot hold; leave it out of keep, or give it as text with toString()`,
    );
}

/** Whether values of a ClickHouse type can go into an input. A null, or a number that does not fit, is found row by row. */
function fits(type: string, datatype: Datatype): boolean {
  return datatype === 'BYTES' || NUMBERS.test(bareType(type));
}

/** Without `Nullable` and `LowCardinality`. */
export function bareType(type: string): string {
  const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type)?.[1];
  return inner === undefined ? type : bareType(inner);
}

function inputText(input: TensorSpec): string {
  return `input ${JSON.stringify(input.name)} (${describe(input)})`;
}

function refuse(problems: readonly string[], columns: readonly BatchColumn[]): void {
  if (problems.length === 0) return;
  const more = problems.length > MOST_NAMED ? `; and ${problems.length - MOST_NAMED} more` : '';
  const told = problems.slice(0, MOST_NAMED).join('; ');
  throw batchFault(`${told}${more}. The input has ${list(columns.map(({ name, type }) => `${name} ${type}`))}`);
}

function list(names: readonly string[]): string {
  return names.length > MOST_NAMED ? `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more` : names.join(', ');
}
