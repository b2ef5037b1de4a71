import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { EdgeManifest } from '../core/manifest.js';
import type { EdgeSession } from '../core/predictor.js';
import { RUNTIME_TYPES, type RowDatatype, type Rows } from '../core/row-tensors.js';

/** Loads the graph of an export into onnxruntime-node. */
export async function openNodeSession({ outputs }: EdgeManifest, bytes: Uint8Array): Promise<EdgeSession> {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  return {
    async run(inputs) {
      const feeds: Record<string, Tensor> = {};
      for (const { name, datatype, data, shape } of inputs)
        feeds[name] = new Tensor(RUNTIME_TYPES[datatype] as 'float32', data as Float32Array, shape);
      const results = await session.run(
        feeds,
        outputs.map(({ name }) => name),
      );
      return outputs.map(({ name, datatype }): Rows => {
        const { dims, data } = results[name] as Tensor;
        return { name, datatype: datatype as RowDatatype, shape: dims, data };
      });
    },
  };
}
