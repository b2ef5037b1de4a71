import { RUNTIME_TYPES } from '@millrace/onnx/runtime';
import { Tensor as OrtTensor, type InferenceSession } from 'onnxruntime-node';
import type { Datatype, Tensor } from '../domain/tensor/tensor.js';

const ORT_TYPES: Readonly<Record<Datatype, OrtTensor.Type>> = {
  // The graph that is run has casts at its edges: see widenHalfPrecision.
  FP16: 'float32',
  BF16: 'float32',
  ...RUNTIME_TYPES,
};

const DATATYPES = new Map(Object.entries(ORT_TYPES).map(([datatype, type]) => [type, datatype as Datatype]));

/**
 * Runs once. It blocks the calling thread while it computes; `computeMs` is that time, `cpuMs` how much of it the processor gave: what a machine does meanwhile for
 * others does not make a model slow. The system counts that in steps of a millisecond or so, and it is right over many runs only.
 */
export async function runSession(
  session: InferenceSession,
  inputs: readonly Tensor[],
  outputs: readonly string[],
): Promise<{ outputs: Tensor[]; computeMs: number; cpuMs: number }> {
  const feeds: Record<string, OrtTensor> = {};
  for (const tensor of inputs) feeds[tensor.name] = toOrt(tensor);
  // The runtime computes in a setImmediate of its own. Ours comes right before it, so what else this thread does in between is not counted.
  let started = 0;
  let cpuStarted = 0;
  setImmediate(() => {
    started = performance.now();
    cpuStarted = threadMs();
  });
  const results = await session.run(feeds, outputs);
  const cpuMs = threadMs() - cpuStarted;
  const computeMs = performance.now() - started;
  return { outputs: outputs.map((name) => fromOrt(name, results[name] as OrtTensor)), computeMs, cpuMs };
}

/** Processor time of this thread so far. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function toOrt(tensor: Tensor): OrtTensor {
  // The constructor is overloaded per type; the datatype has chosen the array already.
  return new OrtTensor(ORT_TYPES[tensor.datatype] as 'float32', tensor.data as Float32Array, tensor.shape);
}

function fromOrt(name: string, tensor: OrtTensor): Tensor {
  const datatype = DATATYPES.get(tensor.type);
  if (!datatype) throw new Error(`output ${name} is of type ${tensor.type}, which is not served`);
  return { name, datatype, shape: [...tensor.dims], data: tensor.data };
}
