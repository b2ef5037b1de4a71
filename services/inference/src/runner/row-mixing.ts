import {
  concatRows,
  elementsOf,
  emptyData,
  isFloating,
  rowsOf,
  setElement,
  sliceRows,
  type Tensor,
  type TensorSpec,
} from '../domain/tensor/tensor.js';

/** Kernels for more rows add up in another order; what a statistic over the rows changes is far beyond this, relative to the value (to 1 below it). */
const TOLERANCE = 1e-3;

/** Whether requests can be put together at all: every first dimension is free, so that outputs can be taken apart again. A model without inputs has no rows to put together. */
export function isRowwise(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): boolean {
  return inputs.length > 0 && [...inputs, ...outputs].every((spec) => spec.shape?.[0] === -1);
}

/**
 * Whether a row's answer depends on the rows beside it (a mean or softmax over the first axis, a ranking, time on the first axis): two unlike rows are run
 * apart and together. Requests to such a model must not share a run. A model that cannot take made-up rows, or is not {@link isRowwise}, is not found out.
 */
export async function mixesRows(
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  run: (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>,
): Promise<boolean> {
  if (!isRowwise(inputs, outputs)) return false;
  const rows = [0, 1].map((row) => inputs.map((spec) => madeUp(spec, row)));
  try {
    const apart: (readonly Tensor[])[] = [];
    for (const row of rows) apart.push(await run(row));
    const together = await run(inputs.map((_, input) => concatRows(rows.map((row) => row[input] as Tensor))));
    return together.some((output, index) => {
      if (rowsOf(output) !== rows.length) return true;
      return apart.some((alone, row) => !areEqual(sliceRows(output, row, row + 1), alone[index] as Tensor));
    });
  } catch {
    return false;
  }
}

/** One row; small whole numbers may be looked up in a table, so they are 0 and 1. */
function madeUp({ name, datatype, shape }: TensorSpec, row: number): Tensor {
  const sizes = (shape ?? []).map((size) => (size === -1 ? 1 : size));
  const data = emptyData(datatype, elementsOf(sizes));
  for (let index = 0; index < data.length; index++) {
    if (datatype === 'BYTES') setElement(data, index, row === 0 ? '' : 'a');
    else if (isFloating(datatype)) setElement(data, index, ((index * 7 + row * 5 + 1) % 11) / 11 - 0.3);
    else setElement(data, index, datatype === 'INT64' || datatype === 'UINT64' ? BigInt((index + row) % 2) : (index + row) % 2);
  }
  return { name, datatype, shape: sizes, data };
}

function areEqual(one: Tensor, other: Tensor): boolean {
  if (one.data.length !== other.data.length) return false;
  const isClose = isFloating(one.datatype);
  for (let index = 0; index < one.data.length; index++) {
    const [a, b] = [one.data[index], other.data[index]];
    if (Object.is(a, b) || a === b) continue;
    if (!isClose || !(Math.abs((a as number) - (b as number)) <= TOLERANCE * Math.max(1, Math.abs(a as number)))) return false;
  }
  return true;
}
