import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Datatype, Tensor, TensorSpec } from '../domain/tensor/tensor.js';
import type { Runner } from './runner.js';

/** Without the half precisions: see half-precision-runner.ts. */
const ORT_TYPES: Readonly<Partial<Record<Datatype, OrtTensor.Type>>> = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
};

const DATATYPES = new Map(Object.entries(ORT_TYPES).map(([datatype, type]) => [type, datatype as Datatype]));

/**
 * Runs a model in this process's event loop: onnxruntime-node's `run` blocks the loop while it computes, so this is for models whose run
 * takes well under a millisecond a batch. One thread per session: the machine's cores belong to the service's processes.
 */
export class InLoopRunner implements Runner {
  private constructor(
    readonly inputs: readonly TensorSpec[],
    readonly outputs: readonly TensorSpec[],
    private readonly session: InferenceSession,
  ) {}

  static async open(bytes: Uint8Array, inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): Promise<InLoopRunner> {
    const session = await InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      // Warnings are about the exporter's style (LightGBM's on every run), not about results.
      logSeverityLevel: 3,
    });
    return new InLoopRunner(inputs, outputs, session);
  }

  async run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]> {
    const feeds: Record<string, OrtTensor> = {};
    for (const tensor of inputs) feeds[tensor.name] = toOrt(tensor);
    const results = await this.session.run(feeds, [...outputs]);
    return outputs.map((name) => fromOrt(name, results[name] as OrtTensor));
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}

function toOrt(tensor: Tensor): OrtTensor {
  // The constructor is overloaded per type; the datatype has chosen the array already.
  return new OrtTensor(ORT_TYPES[tensor.datatype] as 'float32', tensor.data as Float32Array, tensor.shape);
}

function fromOrt(name: string, tensor: OrtTensor): Tensor {
  const datatype = DATATYPES.get(tensor.type);
  if (!datatype) throw new Error(`output ${name} is of type ${tensor.type}, which is not served`);
  return { name, datatype, shape: tensor.dims, data: tensor.data };
}
