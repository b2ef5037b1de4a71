import { elementsOf, emptyData, type Tensor, type TensorSpec } from '../domain/tensor/tensor.js';

/** One row of zeros (or empty strings) for each input; `undefined` when the model does not say even a rank. */
export function warmUpInputs(specs: readonly TensorSpec[]): Tensor[] | undefined {
  if (specs.some((spec) => spec.shape === undefined)) return undefined;
  return specs.map(({ name, datatype, shape }) => {
    const sizes = (shape ?? []).map((size) => (size === -1 ? 1 : size));
    return { name, datatype, shape: sizes, data: emptyData(datatype, elementsOf(sizes)) };
  });
}
