import type { Tensor, TensorSpec } from '../domain/tensor/tensor.js';

/** Where a model runs: in this process's event loop, or in a worker thread. */
export type Place = 'in-loop' | 'worker';

export interface RunOutcome {
  readonly outputs: Tensor[];
  /** From the begin of the run to its end, without any waiting before. */
  readonly computeMs: number;
  /** The processor's time of it, which says something over many runs. */
  readonly cpuMs: number;
}

/** One loaded version of a model, able to run. How (in this loop, in a worker) is the implementation's. */
export interface Runner {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Where its next run takes place. */
  readonly place: Place;
  /** Runs that may be under way at once. */
  readonly parallelism: number;
  /** About how much memory it takes. An estimate: the runtime does not say. */
  readonly memoryBytes: number;
  /**
   * The right to run once. `undefined`: at once. Otherwise it comes when a core is free for it, and is given back by calling it; what a
   * run is made of is decided when it has come, so that batches fill while the machine is busy. Rejects when the model cannot run.
   */
  turn(): Promise<() => void> | undefined;
  /**
   * Runs once over the inputs, in the order of {@link inputs}; gives the named outputs in that order. `isOwned`: nobody looks at
   * the inputs' data afterwards, so it may be moved instead of copied.
   */
  run(inputs: readonly Tensor[], outputs: readonly string[], isOwned: boolean): Promise<RunOutcome>;
  /** Frees the memory. Not to be called while a run is under way. */
  close(): Promise<void>;
}
