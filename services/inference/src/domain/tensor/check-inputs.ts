import { invalid } from '../refusal.js';
import { isWholeString } from './ranges.js';
import { elementsOf, type Tensor, type TensorSpec } from './tensor.js';

/**
 * The request's tensors in the order of the model's inputs, each of the declared datatype and shape. Refuses with the name of the
 * tensor and what the model expects of it.
 */
export function checkInputs(specs: readonly TensorSpec[], tensors: readonly Tensor[]): Tensor[] {
  const byName = new Map<string, Tensor>();
  for (const tensor of tensors) {
    if (byName.has(tensor.name)) throw invalid(`input ${quote(tensor.name)} is given twice`);
    byName.set(tensor.name, tensor);
  }
  const checked = specs.map((spec) => {
    const tensor = byName.get(spec.name);
    if (!tensor) throw invalid(`input ${quote(spec.name)} is missing; the model expects ${describe(spec)}`);
    checkInput(spec, tensor);
    byName.delete(spec.name);
    return tensor;
  });
  for (const name of byName.keys()) {
    throw invalid(`input ${quote(name)} is unknown; the model's inputs are ${specs.map((spec) => quote(spec.name)).join(', ')}`);
  }
  return checked;
}

function checkInput(spec: TensorSpec, tensor: Tensor): void {
  if (tensor.datatype !== spec.datatype)
    throw invalid(`input ${quote(spec.name)} is ${tensor.datatype}; the model expects ${describe(spec)}`);
  const expected = spec.shape;
  if (expected && (expected.length !== tensor.shape.length || expected.some((size, i) => size !== -1 && size !== tensor.shape[i])))
    throw invalid(`input ${quote(spec.name)} has shape [${tensor.shape.join(',')}]; the model expects ${describe(spec)}`);
  if (elementsOf(tensor.shape) !== tensor.data.length)
    throw invalid(
      `input ${quote(spec.name)} of shape [${tensor.shape.join(',')}] needs ${elementsOf(tensor.shape)} elements and has ${tensor.data.length}`,
    );
  if (spec.datatype !== 'BYTES') return;
  const cut = (tensor.data as readonly string[]).findIndex((text) => !isWholeString(text));
  if (cut >= 0) throw invalid(`input ${quote(spec.name)}: element ${cut} has a NUL in it, and the runtime takes no such text`);
}

/** `FP32 [-1,12]`, for messages. */
export function describe(spec: TensorSpec): string {
  return `${spec.datatype} [${spec.shape?.join(',') ?? '...'}]`;
}

function quote(name: string): string {
  return JSON.stringify(name);
}
