import { invalid } from '../../domain/refusal.js';
import { holdsInteger, largestOf } from '../../domain/tensor/ranges.js';
import { elementsOf, emptyData, isFloating, setElement, type Datatype, type Tensor, type TensorData } from '../../domain/tensor/tensor.js';

/** `-1.2345678901234567e-300` and a comma. */
const LONGEST_NUMBER = 25;

/**
 * A tensor of JSON data, flat or nested, row-major. `null` in a floating point tensor is NaN: JSON has no other word for it. `sent`: the text that `data` was read from,
 * where it is a flat list.
 */
export function tensorFromJson(name: string, datatype: Datatype, shape: readonly number[], data: unknown, sent?: string): Tensor {
  const count = elementsOf(shape);
  if (!Array.isArray(data)) throw invalid(`input ${quote(name)}: data must be a list`);
  const values = emptyData(datatype, count);
  if ((datatype === 'FP32' || datatype === 'FP64') && data.length === count && areFinite(data, values as Float64Array, largestOf(datatype)))
    return { name, datatype, shape, data: values, given: data as number[], ...(isTight(sent, count) ? { sent } : {}) };
  const filled = fill({ name, shape, sizes: sizesOf(shape), target: values, convert: converter(name, datatype), limit: count }, 0, data, 0);
  if (filled !== count)
    throw invalid(`input ${quote(name)} of shape [${shape.join(',')}] needs ${count} elements and has ${filled > count ? 'more' : filled}`);
  return { name, datatype, shape, data: values };
}

/** Takes a flat list of numbers, what nearly every request sends; false, and nothing is said of `values`, where it is anything else. */
function areFinite(data: readonly unknown[], values: Float32Array | Float64Array, largest: number): boolean {
  for (let index = 0; index < data.length; index++) {
    const value = data[index];
    // NaN is in no JSON, and infinities are beyond the largest.
    if (typeof value !== 'number' || value > largest || value < -largest) return false;
    values[index] = value;
  }
  return true;
}

/** Whether a text of so many numbers is no longer than they can be in full: blanks and digits beyond a double's are not worth keeping. */
function isTight(sent: string | undefined, count: number): sent is string {
  return sent !== undefined && sent.length <= 2 + LONGEST_NUMBER * count;
}

interface Filling {
  readonly name: string;
  readonly shape: readonly number[];
  /** Elements below a list of each axis. */
  readonly sizes: readonly number[];
  readonly target: TensorData;
  readonly convert: (value: unknown) => number | bigint | string;
  readonly limit: number;
}

/**
 * The index after the last element. Lists may stand for the axes or be flat from any of them on; what has other lengths than the shape would be read as other rows
 * than were meant.
 */
function fill(filling: Filling, at: number, source: readonly unknown[], axis: number): number {
  const { target, convert, limit, sizes } = filling;
  const isNested = Array.isArray(source[0]);
  if (isNested) mustBeNestedBy(filling, source, axis);
  // A flat list of all is told by how many elements it has.
  else if (axis > 0 && source.length !== sizes[axis]) throw misshapen(filling, source, axis);
  let index = at;
  for (const item of source) {
    if (Array.isArray(item) !== isNested) throw invalid(`${ownerOf(filling)}: data mixes lists and values`);
    if (isNested) index = fill(filling, index, item as readonly unknown[], axis + 1);
    else if (index >= limit) return limit + 1;
    else setElement(target, index++, convert(item));
  }
  return index;
}

function sizesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elementsOf(shape.slice(axis)));
}

function mustBeNestedBy(filling: Filling, source: readonly unknown[], axis: number): void {
  const { shape } = filling;
  if (axis >= shape.length - 1) throw invalid(`${ownerOf(filling)}: data is nested deeper than shape [${shape.join(',')}]`);
  if (source.length !== shape[axis]) throw misshapen(filling, source, axis);
}

function misshapen(filling: Filling, source: readonly unknown[], axis: number): Error {
  const { shape, sizes } = filling;
  const taken = Array.isArray(source[0]) ? shape[axis] : sizes[axis];
  return invalid(
    `${ownerOf(filling)}: a list ${axis === 0 ? 'of lists' : `at depth ${axis + 1}`} has ${source.length} items, and shape [${shape.join(',')}] takes ${taken} there`,
  );
}

function ownerOf({ name }: Filling): string {
  return `input ${quote(name)}`;
}

function converter(name: string, datatype: Datatype): (value: unknown) => number | bigint | string {
  const refuse = (value: unknown): never => {
    throw invalid(`input ${quote(name)}: ${show(value)} is not a value of ${datatype}`);
  };
  switch (datatype) {
    case 'FP16':
    case 'BF16':
    case 'FP32':
    case 'FP64': {
      // JSON has no infinity: what reads as one was a number beyond any double.
      const largest = largestOf(datatype);
      return (value) => {
        if (value === null) return NaN;
        const number = typeof value === 'bigint' ? Number(value) : value;
        return typeof number === 'number' && Math.abs(number) <= largest ? number : refuse(value);
      };
    }
    case 'BYTES':
      // Half of a surrogate pair has no bytes: it would silently become U+FFFD.
      return (value) => (typeof value === 'string' && value.isWellFormed() ? value : refuse(value));
    case 'BOOL':
      return (value) => (value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : refuse(value));
    case 'INT64':
    case 'UINT64':
      return (value) => {
        const integer = typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(value as number) : undefined;
        return integer !== undefined && holdsInteger(datatype, integer) ? integer : refuse(value);
      };
    default:
      return (value) => (Number.isInteger(value) && holdsInteger(datatype, value as number) ? (value as number) : refuse(value));
  }
}

/** The data of a tensor as JSON text, flat. Numbers that JSON has no word for are `null`; 64-bit integers are written whole. */
export function jsonOfData(tensor: Tensor): string {
  const { data, datatype } = tensor;
  if (datatype === 'BYTES') return JSON.stringify(data);
  if (datatype === 'BOOL') return `[${Array.from(data as Uint8Array, (value) => (value === 0 ? 'false' : 'true')).join(',')}]`;
  if (isFloating(datatype)) return floatsAsJson(data as Float64Array);
  return `[${(data as Int32Array).join(',')}]`;
}

function floatsAsJson(data: Float64Array): string {
  let text = '[';
  for (let index = 0; index < data.length; index++) {
    const value = data[index] as number;
    if (index > 0) text += ',';
    text += Number.isFinite(value) ? value : 'null';
  }
  return `${text}]`;
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return (JSON.stringify(value) ?? String(value)).slice(0, 80);
}

function quote(name: string): string {
  return JSON.stringify(name);
}
