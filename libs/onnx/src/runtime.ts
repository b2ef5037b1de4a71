import { RUNTIME_TYPES } from '@millrace/edge';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { isRowDatatype, type LoadedModel, type Rows } from './optimize/model-rows.js';
import { readModel, writeModel } from './model-codec.js';
import { signatureOf } from './signature.js';
import { stripZipMap } from './strip-zip-map.js';

export { RUNTIME_TYPES } from '@millrace/edge';

/**
 * Loads a graph into onnxruntime, as the gateway and measurements do: all of the runtime's own optimizations, and one thread a session, since the
 * gateway shares out the cores itself. It blocks the calling thread while it does. A door of its own (`@millrace/onnx/runtime`), so that who only
 * reads graphs needs no runtime.
 */
export function openSession(bytes: Uint8Array): Promise<InferenceSession> {
  return InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    // Warnings are about the exporter's style (LightGBM's on every run), not about results.
    logSeverityLevel: 3,
  });
}

/** Loads a model to be asked, as the gateway does: a ZipMap gives the tensor it is made of. Other outputs that are no tensors are left out. */
export async function openModel(bytes: Uint8Array): Promise<LoadedModel> {
  const model = readModel(bytes);
  const isChanged = stripZipMap(model).length > 0;
  const { outputs } = signatureOf(model);
  const types = new Map(outputs.map(({ name, datatype }) => [name, datatype]));
  const session = await openSession(isChanged ? writeModel(model) : bytes);
  return {
    async run(inputs) {
      const feeds: Record<string, Tensor> = {};
      for (const { name, datatype, data, shape } of inputs) {
        // The constructor is overloaded per type; the datatype has chosen the array already.
        feeds[name] = new Tensor(RUNTIME_TYPES[datatype] as 'float32', data as Float32Array, shape);
      }
      const results = await session.run(feeds, [...types.keys()]);
      return [...types].map(([name, datatype]): Rows => {
        const tensor = results[name] as Tensor;
        if (!isRowDatatype(datatype)) throw new RangeError(`output ${name} is ${datatype}, which cannot be compared here`);
        return { name, datatype, shape: tensor.dims, data: tensor.data };
      });
    },
    close: () => session.release(),
  };
}
