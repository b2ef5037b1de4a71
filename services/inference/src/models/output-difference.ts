import type { TensorSpec } from '../domain/tensor/tensor.js';

interface Giving {
  readonly outputs: readonly TensorSpec[];
}

const compared = new WeakMap<Giving, { readonly primary: Giving; readonly difference: string | undefined }>();

/**
 * Why callers who read what `primary` gives could not read what `candidate` gives: an output is missing, or of another datatype or rank. `undefined`
 * where they can; a candidate may give more. Compared once for each pair of loaded models.
 */
export function outputDifference(primary: Giving, candidate: Giving): string | undefined {
  const known = compared.get(candidate);
  if (known?.primary === primary) return known.difference;
  const difference = differenceOf(primary.outputs, candidate.outputs);
  compared.set(candidate, { primary, difference });
  return difference;
}

function differenceOf(wanted: readonly TensorSpec[], given: readonly TensorSpec[]): string | undefined {
  for (const { name, datatype, shape } of wanted) {
    const own = given.find((output) => output.name === name);
    if (!own) return `it gives no output ${JSON.stringify(name)}, which the primary gives`;
    if (own.datatype !== datatype) return `its output ${JSON.stringify(name)} is ${own.datatype}, the primary's is ${datatype}`;
    if (shape && own.shape && own.shape.length !== shape.length)
      return `its output ${JSON.stringify(name)} has ${own.shape.length} dimensions, the primary's has ${shape.length}`;
  }
  return undefined;
}
