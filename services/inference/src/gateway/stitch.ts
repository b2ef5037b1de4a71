import { Refusal } from '../domain/refusal.js';
import { elementsOf, emptyData, rowsOf, setElement, type Tensor } from '../domain/tensor/tensor.js';

/** Outputs of the rows that went to one model. */
export interface Part {
  /** Their numbers in the request, in the order of the outputs' rows. */
  readonly rows: readonly number[];
  readonly outputs: readonly Tensor[];
}

/** Puts the variants' rows back into the request's order. The variants must give outputs of the same names, types and widths. */
export function stitch(parts: readonly Part[], count: number): readonly Tensor[] {
  const [first] = parts;
  if (!first) return [];
  if (parts.length === 1) return first.outputs;
  return first.outputs.map((model) => {
    const width = elementsOf(model.shape.slice(1));
    const data = emptyData(model.datatype, count * width);
    for (const part of parts) {
      const output = part.outputs.find((tensor) => tensor.name === model.name);
      if (output?.datatype !== model.datatype || rowsOf(output) !== part.rows.length || elementsOf(output.shape.slice(1)) !== width)
        throw new Refusal(
          'MR_INFERENCE_UNSERVABLE',
          `the experiment's variants do not agree on output ${JSON.stringify(model.name)}; ask for one unit a request`,
        );
      for (const [index, row] of part.rows.entries())
        for (let i = 0; i < width; i++) setElement(data, row * width + i, output.data[index * width + i] as number);
    }
    return { ...model, shape: [count, ...model.shape.slice(1)], data };
  });
}
