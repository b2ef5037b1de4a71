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
/** How much larger the values of an outlier are: a scale taken from the whole batch leaves nothing of what is beside it. */
const OUTLIER = 1e4;

/** Whether requests can be put together at all: every first dimension is free, so that outputs can be taken apart again. A model without inputs has no rows to put together. */
export function isRowwise(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): boolean {
  return inputs.length > 0 && [...inputs, ...outputs].every((spec) => spec.shape?.[0] === -1);
}

/**
 * Whether a row's answer depends on the rows beside it (a mean or softmax over the first axis, a ranking, time on the first axis, activations quantized by the
 * range of the batch): two rows, one of them an outlier, are run apart and together. Rows of a like size may differ by less than is told apart, and one caller's
 * outlier, or infinity, would still be everybody's. Requests to such a model must not share a run. A model
 * that cannot take made-up rows, or is not {@link isRowwise}, is not found out.
 */
export async function mixesRows(
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  run: (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>,
): Promise<boolean> {
  if (!isRowwise(inputs, outputs)) return false;
  const [first, second] = [0, 1].map((row) => inputs.map((spec) => madeUp(spec, row))) as [Tensor[], Tensor[]];
  // On both sides of the other row, which some models let only later rows see.
  const differs = async (other: readonly Tensor[], otherAlone?: readonly Tensor[]): Promise<boolean> => {
    const rows = [first, other, first];
    const alone = await run(first);
    const together = await run(inputs.map((_, input) => concatRows(rows.map((row) => row[input] as Tensor))));
    return together.some((output, index) => {
      if (rowsOf(output) !== rows.length) return true;
      return [alone, otherAlone, alone].some((apart, row) => apart && !areEqual(sliceRows(output, row, row + 1), apart[index] as Tensor));
    });
  };
  try {
    // The outlier's own answer is not looked at: where large numbers nearly cancel, kernels for more rows come to another difference.
    return await differs(second.map(magnified));
  } catch {
    // What cannot take an outlier, as a number that is looked up, may take a row like any other.
  }
  try {
    return await differs(second, await run(second));
  } catch {
    return false;
  }
}

/** The tensor with its numbers, where they are floating, far from any other's. */
function magnified(tensor: Tensor): Tensor {
  if (!isFloating(tensor.datatype)) return tensor;
  const data = emptyData(tensor.datatype, tensor.data.length);
  for (let index = 0; index < data.length; index++) setElement(data, index, (tensor.data[index] as number) * OUTLIER);
  return { ...tensor, data };
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
