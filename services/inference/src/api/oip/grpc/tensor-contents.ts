import { int64, type Int64 } from '@millrace/onnx';
import { invalid } from '../../../domain/refusal.js';
import { elementsOf, emptyData, setElement, type Datatype, type Tensor } from '../../../domain/tensor/tensor.js';
import { utf8Element } from '../binary-tensor.js';

/** The elements of one tensor in the list of its datatype. */
export interface InferTensorContents {
  readonly bool_contents?: readonly boolean[];
  readonly int_contents?: readonly number[];
  readonly int64_contents?: readonly Int64[];
  readonly uint_contents?: readonly number[];
  readonly uint64_contents?: readonly Int64[];
  readonly fp32_contents?: readonly number[];
  readonly fp64_contents?: readonly number[];
  readonly bytes_contents?: readonly Uint8Array[];
}

type ListName = keyof InferTensorContents;

/** FP16 and BF16 have none: they travel raw. */
const LISTS: Readonly<Record<Exclude<Datatype, 'FP16' | 'BF16'>, ListName>> = {
  BOOL: 'bool_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
};

/** The tensor in a request's lists; only the list of its datatype may hold anything. */
export function tensorFromContents(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  contents: InferTensorContents | null,
): Tensor {
  if (datatype === 'FP16' || datatype === 'BF16')
    throw invalid(`input ${JSON.stringify(name)}: ${datatype} has no list in contents; send raw_input_contents`);
  const list = LISTS[datatype];
  const given = contents ?? {};
  for (const other of Object.values(LISTS))
    if (other !== list && (given[other]?.length ?? 0) > 0)
      throw invalid(`input ${JSON.stringify(name)} is ${datatype} and has ${other}; its elements belong into ${list}`);
  const values: readonly unknown[] = given[list] ?? [];
  const count = elementsOf(shape);
  if (values.length !== count)
    throw invalid(
      `input ${JSON.stringify(name)} of shape [${shape.join(',')}] needs ${count} elements and its ${list} holds ${values.length}`,
    );
  const data = emptyData(datatype, count);
  for (const [index, value] of values.entries()) setElement(data, index, elementOf(name, datatype, index, value));
  for (const [index, value] of values.entries())
    if (isNarrow(datatype) && data[index] !== value)
      throw invalid(`input ${JSON.stringify(name)}: ${String(value)} is not a value of ${datatype}`);
  return { name, datatype, shape, data };
}

/** An output's elements in the list of its datatype. */
export function contentsOf(tensor: Tensor): object {
  const list = LISTS[tensor.datatype as keyof typeof LISTS];
  if (Array.isArray(tensor.data)) return { [list]: tensor.data.map((text) => Buffer.from(text)) };
  const { data, datatype } = tensor;
  if (datatype === 'BOOL') return { [list]: Array.from(data as Uint8Array, (value) => value !== 0) };
  if (datatype === 'INT64' || datatype === 'UINT64')
    return { [list]: Array.from(data as BigInt64Array, (value) => halves(value, datatype)) };
  return { [list]: data };
}

function elementOf(name: string, datatype: Datatype, index: number, value: unknown): number | bigint | string {
  switch (datatype) {
    case 'BOOL':
      return value === true ? 1 : 0;
    case 'INT64':
    case 'UINT64':
      return int64(value as Int64);
    case 'BYTES':
      return utf8Element(name, index, value as Uint8Array);
    default:
      return value as number;
  }
}

/** Whether its list takes numbers that are too large for it. */
function isNarrow(datatype: Datatype): boolean {
  return datatype === 'INT8' || datatype === 'INT16' || datatype === 'UINT8' || datatype === 'UINT16';
}

function halves(value: bigint, datatype: 'INT64' | 'UINT64'): Int64 {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: datatype === 'UINT64' };
}
