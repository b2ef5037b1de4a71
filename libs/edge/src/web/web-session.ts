import * as ort from 'onnxruntime-web/wasm';
import type { EdgeManifest } from '../core/manifest.js';
import type { EdgeSession } from '../core/predictor.js';
import { RUNTIME_TYPES, type RowDatatype, type Rows } from '../core/row-tensors.js';

/** Loads the graph of an export into onnxruntime-web, whose WebAssembly lies in `folder`. One thread: several need a page that is cross-origin isolated. */
export async function openWebSession({ outputs }: EdgeManifest, bytes: Uint8Array, folder: URL): Promise<EdgeSession> {
  ort.env.wasm.wasmPaths = folder.href;
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'], logSeverityLevel: 3 });
  return {
    async run(inputs) {
      const feeds: Record<string, ort.Tensor> = {};
      for (const { name, datatype, data, shape } of inputs)
        feeds[name] = new ort.Tensor(RUNTIME_TYPES[datatype] as 'float32', data as Float32Array, shape);
      const results = await session.run(
        feeds,
        outputs.map(({ name }) => name),
      );
      return outputs.map(({ name, datatype }): Rows => {
        const { dims, data } = results[name] as ort.Tensor;
        return { name, datatype: datatype as RowDatatype, shape: dims, data };
      });
    },
  };
}
