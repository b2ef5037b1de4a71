import { invalid } from '../../domain/refusal.js';
import { isFloating, type Datatype, type Tensor, type TensorSpec } from '../../domain/tensor/tensor.js';
import type { ModelDescription } from '../../queries/serving-status.js';
import { tensorFromJson } from '../oip/json-tensor.js';
import { readTensorHead } from '../oip/tensor-head.js';
import type { Columns, Invocation } from './parse-invocation.js';

/**
 * The tensors a scoring request stands for. Columns that the model names are put in its order; columns that are its inputs go to
 * them by name; else they are the join keys and request features of the deployment's feature service; and where there is none, they are
 * the columns of the model's single input in the order they came, as MLflow does it.
 */
export function invocationTensors(model: string, description: ModelDescription, { columns, rows, texts }: Invocation): Tensor[] {
  const { inputs, features, featureService } = description;
  const [single] = inputs.length === 1 ? inputs : [];
  if (rows) {
    if (!single) throw invalid(`model ${JSON.stringify(model)} has ${inputs.length} inputs; name them: ${named(inputs)}`);
    return [rows.length === 0 ? tensorOf(single, rows, noRowsOf(single)) : tensorOf(single, rows)];
  }
  const table = columns as Columns;
  // What the model takes as text is not what its digits look like.
  const tableFor = ({ datatype }: TensorSpec): Columns => (datatype === 'BYTES' ? (texts ?? table) : table);
  if (single && features?.every((name) => table.has(name))) return [matrixOf(single, features, tableFor(single))];
  if (single && features && featureService === undefined) refusePart(features, single, table);
  if (single && isMatrixOf(single, table)) return [matrixOf(single, [...table.keys()], tableFor(single))];
  if (inputs.every((input) => table.has(input.name)))
    return inputs.map((input) => tensorOf(input, tableFor(input).get(input.name) as unknown[]));
  if (featureService !== undefined) {
    return [...table].map(([name, values]) => {
      const written = texts?.get(name);
      const own = written?.some(hasLeadingZero) ? written : values;
      return tensorOf({ name, datatype: carrierOf(own), shape: [-1] }, own);
    });
  }
  if (single) return [matrixOf(single, [...table.keys()], tableFor(single))];
  const missing = inputs.find((input) => !table.has(input.name)) as TensorSpec;
  throw invalid(`column ${JSON.stringify(missing.name)} is missing; the model's inputs are ${named(inputs)}`);
}

/** A frame that has some of the names the model gives its columns means them by name: taken in the order they came, each would be another. */
function refusePart(features: readonly string[], { name }: TensorSpec, table: Columns): void {
  if (Array.isArray(table.get(name)?.[0])) return;
  const missing = features.find((feature) => !table.has(feature));
  if (missing === undefined || !features.some((feature) => table.has(feature))) return;
  const all = features.map((feature) => JSON.stringify(feature)).join(', ');
  throw invalid(`column ${JSON.stringify(missing)} is missing; the model's columns are ${all}`);
}

/** One of the matrix's columns has its name: it is no column of lists, which would be the matrix whole. */
function isMatrixOf({ name, shape }: TensorSpec, table: Columns): boolean {
  const own = table.get(name);
  return own !== undefined && !Array.isArray(own[0]) && table.size > 1 && shape?.length === 2 && shape[1] === table.size;
}

function matrixOf(spec: TensorSpec, names: readonly string[], table: Columns): Tensor {
  const columns = names.map((name) => table.get(name) ?? []);
  const rows = columns[0]?.length ?? 0;
  const values = Array.from({ length: rows }, (_, row) => columns.map((column) => column[row]));
  refuseTexts(spec, names, columns);
  // Of no row it cannot be seen how wide one is.
  return rows === 0 ? tensorOf(spec, values, [0, names.length]) : tensorOf(spec, values);
}

/** A text where a number belongs is told by its column, which is the caller's word; the matrix's name is the model's. */
function refuseTexts({ datatype }: TensorSpec, names: readonly string[], columns: readonly (readonly unknown[])[]): void {
  if (datatype === 'BYTES') return;
  for (const [index, values] of columns.entries()) {
    const row = values.findIndex((value) => typeof value === 'string' || (value === null && !isFloating(datatype)));
    if (row === -1) continue;
    const told = `column ${JSON.stringify(names[index])}: ${JSON.stringify(values[row])} in row ${row}`;
    throw invalid(`${told} is not a value of ${datatype}, which the model takes`);
  }
}

/** A column goes into an input of two dimensions as one of width 1. */
function tensorOf(spec: TensorSpec, values: readonly unknown[], shape: readonly number[] = shapeOf(values)): Tensor {
  const isColumn = shape.length === 1 && spec.shape?.length === 2;
  const { name, datatype, sizes } = readTensorHead(spec.name, spec.datatype, isColumn ? [...shape, 1] : shape);
  return tensorFromJson(name, datatype, sizes, values);
}

/** Of no rows it cannot be seen how wide one is: the model says it. */
function noRowsOf({ shape = [-1] }: TensorSpec): number[] {
  return [0, ...shape.slice(1).map((size) => Math.max(size, 0))];
}

/** Of lists in lists, by the first of each; that the others are alike is seen when they are counted. */
function shapeOf(values: readonly unknown[]): number[] {
  const shape: number[] = [];
  for (let level: unknown = values; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape;
}

/** Digits of a name rather than of a number: a key may be text, and a number is read from text as well. */
function hasLeadingZero(text: string): boolean {
  return /^[+-]?0\d+$/.test(text);
}

/** For columns of which the feature service knows the type: what carries their values as they are. */
function carrierOf(values: readonly unknown[]): Datatype {
  if (values.some((value) => typeof value === 'string')) return 'BYTES';
  if (values.some((value) => typeof value === 'bigint')) return 'INT64';
  return values.every((value) => typeof value === 'boolean') ? 'BOOL' : 'FP64';
}

function named(inputs: readonly TensorSpec[]): string {
  return inputs.map((input) => JSON.stringify(input.name)).join(', ');
}

/** The answer as MLflow's server writes it: of a data frame a list of records, else each output by its name. */
export function predictionsJson(outputs: readonly Tensor[], isFrame: boolean): string {
  if (!isFrame) return `{"predictions":{${outputs.map((output) => `${JSON.stringify(output.name)}:${nested(output)}`).join(',')}}}`;
  // Of no outputs: nothing was asked.
  const rows = outputs[0] ? (outputs[0].shape[0] ?? 1) : 0;
  const columns = outputs.map((output) => ({ key: JSON.stringify(output.name), values: rowsOf(output, rows) }));
  const records = Array.from(
    { length: rows },
    (_, row) => `{${columns.map(({ key, values }) => `${key}:${values[row] ?? 'null'}`).join(',')}}`,
  );
  return `{"predictions":[${records.join(',')}]}`;
}

/** Each row's JSON: a value where the row holds one, else a list. */
function rowsOf(tensor: Tensor, rows: number): string[] {
  const width = rows === 0 ? 0 : tensor.data.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const values = Array.from({ length: width }, (_value, column) => scalar(tensor, row * width + column));
    return width === 1 ? (values[0] as string) : `[${values.join(',')}]`;
  });
}

function nested(tensor: Tensor): string {
  let at = 0;
  const write = (dimension: number): string => {
    if (dimension === tensor.shape.length) return scalar(tensor, at++);
    return `[${Array.from({ length: tensor.shape[dimension] ?? 0 }, () => write(dimension + 1)).join(',')}]`;
  };
  return write(0);
}

function scalar({ data, datatype }: Tensor, index: number): string {
  const value = data[index];
  if (datatype === 'BYTES') return JSON.stringify(value);
  if (datatype === 'BOOL') return value === 0 ? 'false' : 'true';
  return isFloating(datatype) && !Number.isFinite(value) ? 'null' : String(value);
}
