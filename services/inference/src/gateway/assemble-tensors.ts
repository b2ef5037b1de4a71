import { invalid, Refusal } from '../domain/refusal.js';
import { holdsFloat, holdsInteger, isWholeString } from '../domain/tensor/ranges.js';
import { elementsOf, emptyData, isFloating, setElement, type Datatype, type Tensor, type TensorSpec } from '../domain/tensor/tensor.js';
import type { EntityValue, FeatureValue } from './feature-vectors.js';

export interface TensorLayout {
  readonly inputs: readonly TensorSpec[];
  /** Column names of the single input tensor, when the model says them. */
  readonly features: readonly string[] | undefined;
}

/** An input of the model and the columns its rows are made of, in order. */
export interface InputColumns {
  readonly input: TensorSpec;
  readonly columns: readonly string[];
  /** Sizes of one row. */
  readonly rowShape: readonly number[];
}

/**
 * Which columns go into which input. A model with one two-dimensional tensor takes its columns in the order it names in its metadata; a model with an
 * input per feature takes each by name.
 */
export function columnsOf(layout: TensorLayout): InputColumns[] {
  const [only] = layout.inputs;
  const columns = layout.features ?? (layout.inputs.length === 1 && only?.shape?.[1] === 1 ? [only.name] : undefined);
  if (layout.inputs.length === 1 && only && columns && (only.shape?.length ?? 2) === 2) {
    const width = only.shape?.[1] ?? -1;
    if (width !== -1 && width !== columns.length)
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `the model names ${columns.length} features in millrace.features and its input ${JSON.stringify(only.name)} takes ${width}`,
      );
    return [{ input: only, columns, rowShape: [columns.length] }];
  }
  return layout.inputs.map((input) => {
    const rowShape = (input.shape ?? []).slice(1).map((size) => (size === -1 ? 1 : size));
    const width = elementsOf(rowShape);
    if (width !== 1)
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `input ${JSON.stringify(input.name)} takes ${width} values a row; name its columns in the model's metadata entry millrace.features`,
      );
    return { input, columns: [input.name], rowShape };
  });
}

/** Join keys of a request's rows. */
type Entities = readonly Readonly<Record<string, EntityValue>>[];

/**
 * Puts feature values into the model's inputs. A missing value is NaN in a floating point input; where the input has no word for missing, the request
 * is refused, by the row and its keys where `numbers` and `entities` tell them.
 */
export function assembleTensors(
  layout: TensorLayout,
  rows: readonly ReadonlyMap<string, FeatureValue>[],
  numbers?: readonly number[],
  entities?: Entities,
): Tensor[] {
  return columnsOf(layout).map((columns) => tensorOf(columns, rows, numbers, entities));
}

function tensorOf(
  { input, columns, rowShape }: InputColumns,
  rows: readonly ReadonlyMap<string, FeatureValue>[],
  numbers: readonly number[] | undefined,
  entities: Entities | undefined,
): Tensor {
  const data = emptyData(input.datatype, rows.length * columns.length);
  let index = 0;
  for (const row of rows) {
    for (const column of columns) {
      const name = nameIn(column, (given) => row.has(given));
      if (name === undefined)
        throw invalid(`the model needs feature ${JSON.stringify(column)}, which neither the feature service nor the request gives`);
      const value = row.get(name) ?? null;
      if (value === null && !isFloating(input.datatype)) {
        const number = numbers?.[Math.floor(index / columns.length)];
        const where = number === undefined ? '' : ` in row ${number}${keysOf(entities?.[number])}`;
        throw invalid(`feature ${JSON.stringify(column)} has no value${where}, and the model's ${input.datatype} input cannot say so`);
      }
      setElement(data, index++, convert(column, input.datatype, value));
    }
  }
  return { name: input.name, datatype: input.datatype, shape: [rows.length, ...rowShape], data };
}

/** ` (card "c9")` */
function keysOf(entity: Readonly<Record<string, EntityValue>> = {}): string {
  const keys = Object.entries(entity).map(([key, value]) => `${key} ${typeof value === 'string' ? JSON.stringify(value) : value}`);
  return keys.length === 0 ? '' : ` (${keys.join(', ')})`;
}

/** Under which name a column of the model's is among the given ones: its own, or the one without its view. */
export function nameIn(column: string, isGiven: (name: string) => boolean): string | undefined {
  if (isGiven(column)) return column;
  const bare = unqualified(column);
  return isGiven(bare) ? bare : undefined;
}

function convert(name: string, datatype: Datatype, value: FeatureValue): number | bigint | string {
  const isFloat = isFloating(datatype);
  if (value === null) return NaN;
  if (datatype === 'BYTES') {
    const text = String(value);
    if (isWholeString(text)) return text;
    throw invalid(`feature ${JSON.stringify(name)} is ${JSON.stringify(value)}; the runtime takes no text with a NUL in it`);
  }
  const isWide = datatype === 'INT64' || datatype === 'UINT64';
  const number = typeof value === 'boolean' ? Number(value) : value;
  const isNumber = typeof number === 'bigint' || (typeof number === 'number' && (isFloat || Number.isInteger(number)));
  if (!isNumber || !(isFloat ? holdsFloat(datatype, Number(number)) : holdsInteger(datatype, number)))
    throw invalid(
      `feature ${JSON.stringify(name)} is ${typeof value === 'bigint' ? value : JSON.stringify(value)}; the model expects ${datatype}`,
    );
  return isWide ? BigInt(number) : Number(number);
}

/** A training set may qualify its columns by the view (`view__feature`, `view:feature`); a vector does so only where it must. */
export function unqualified(column: string): string {
  return column.replace(/^.*?(__|:)/, '');
}
