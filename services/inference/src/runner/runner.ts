import type { Tensor, TensorSpec } from '../domain/tensor/tensor.js';

/** One loaded version of a model, able to run. How (in this loop, in a worker) is the implementation's. */
export interface Runner {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Runs once over the inputs, in the order of {@link inputs}; gives the named outputs in that order. */
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]>;
  /** Frees the memory. Not to be called while a run is under way. */
  close(): Promise<void>;
}

/** Makes a runner of a checked model's bytes. */
export type RunnerFactory = (bytes: Uint8Array, inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]) => Promise<Runner>;
