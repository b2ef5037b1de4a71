import { invalid, Refusal } from '../domain/refusal.js';
import { elementsOf, emptyData, isFloating, setElement, type Datatype, type Tensor, type TensorSpec } from '../domain/tensor/tensor.js';
import type { FeatureValue } from './feature-vectors.js';

export interface TensorLayout {
  readonly inputs: readonly TensorSpec[];
  /** Column names of the single input tensor, when the model says them. */
  readonly features: readonly string[] | undefined;
}

/**
 * Puts feature values into the model's inputs. A model with one two-dimensional tensor takes its columns in the order it names in its
 * metadata; a model with an input per feature takes each by name. A missing value is NaN in a floating point input;
 * where the input has no word for missing, the request is refused.
 */
export function assembleTensors(layout: TensorLayout, rows: readonly ReadonlyMap<string, FeatureValue>[]): Tensor[] {
  const [only] = layout.inputs;
  const columns = layout.features ?? (layout.inputs.length === 1 && only?.shape?.[1] === 1 ? [only.name] : undefined);
  if (layout.inputs.length === 1 && only && columns && (only.shape?.length ?? 2) === 2) {
    const width = only.shape?.[1] ?? -1;
    if (width !== -1 && width !== columns.length)
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `the model names ${columns.length} features in millrace.features and its input ${JSON.stringify(only.name)} takes ${width}`,
      );
    return [tensorOf(only, [rows.length, columns.length], columns, rows)];
  }
  return layout.inputs.map((input) => {
    const shape = (input.shape ?? [-1]).map((size, dimension) => (dimension === 0 ? rows.length : size === -1 ? 1 : size));
    if (elementsOf(shape) !== rows.length)
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `input ${JSON.stringify(input.name)} takes ${elementsOf(shape.slice(1))} values a row; name its columns in the model's metadata entry millrace.features`,
      );
    return tensorOf(input, shape, [input.name], rows);
  });
}

function tensorOf(
  input: TensorSpec,
  shape: readonly number[],
  columns: readonly string[],
  rows: readonly ReadonlyMap<string, FeatureValue>[],
): Tensor {
  const data = emptyData(input.datatype, rows.length * columns.length);
  let index = 0;
  for (const row of rows) {
    for (const column of columns) {
      const value = row.get(column) ?? row.get(unqualified(column)) ?? (row.has(column) || row.has(unqualified(column)) ? null : undefined);
      if (value === undefined)
        throw invalid(`the model needs feature ${JSON.stringify(column)}, which neither the feature service nor the request gives`);
      setElement(data, index++, convert(column, input.datatype, value));
    }
  }
  return { name: input.name, datatype: input.datatype, shape, data };
}

function convert(name: string, datatype: Datatype, value: FeatureValue): number | bigint | string {
  const isFloat = isFloating(datatype);
  if (value === null) {
    if (isFloat) return NaN;
    throw invalid(`feature ${JSON.stringify(name)} has no value, and the model's ${datatype} input cannot say so`);
  }
  if (datatype === 'BYTES') return String(value);
  const isWide = datatype === 'INT64' || datatype === 'UINT64';
  if (typeof value === 'bigint') return isWide ? value : Number(value);
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (typeof number !== 'number' || (!isFloat && !Number.isInteger(number)))
    throw invalid(`feature ${JSON.stringify(name)} is ${JSON.stringify(value)}; the model expects ${datatype}`);
  return isWide ? BigInt(number) : number;
}

/** A training set may qualify its columns by the view (`view__feature`, `view:feature`); a vector does so only where it must. */
function unqualified(column: string): string {
  return column.replace(/^.*?(__|:)/, '');
}
