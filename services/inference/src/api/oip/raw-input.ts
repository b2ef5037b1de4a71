import { invalid } from '../../domain/refusal.js';
import { elementBytes, type TensorSpec } from '../../domain/tensor/tensor.js';
import { tensorFromBinary } from './binary-tensor.js';
import type { InferRequest } from './infer-request.js';

/**
 * A request that is nothing but the bytes of the model's single input (Inference-Header-Content-Length: 0). One size of its shape may be
 * free, it follows from the length; where others are free too, they are 1 but for the first.
 */
export function rawInput(model: string, specs: readonly TensorSpec[], body: Buffer): InferRequest {
  const [spec] = specs;
  if (specs.length !== 1 || !spec)
    throw invalid(`model ${JSON.stringify(model)} has ${specs.length} inputs; only a single one can come without JSON`);
  const size = elementBytes(spec.datatype);
  const shape = [...(spec.shape ?? [-1])];
  const free = shape.indexOf(-1);
  for (const [at, dimension] of shape.entries()) if (dimension === -1) shape[at] = 1;
  if (free >= 0 && size !== undefined) {
    const rest = shape.reduce((product, dimension) => product * dimension, size);
    if (body.length % rest !== 0)
      throw invalid(`input ${JSON.stringify(spec.name)} of ${spec.datatype} takes ${rest} bytes a row; the body has ${body.length}`);
    shape[free] = body.length / rest;
  }
  const input = tensorFromBinary(spec.name, spec.datatype, shape, body);
  return { id: undefined, parameters: {}, inputs: [input], outputs: undefined, binaryByDefault: true };
}
