import { readModel, widenHalfPrecision, writeModel } from '@millrace/onnx';
import { isHalf, type Tensor, type TensorSpec } from '../domain/tensor/tensor.js';
import type { Runner, RunnerFactory } from './runner.js';

/**
 * Opens models with FP16 or BF16 inputs or outputs by a runner that has no such tensors (onnxruntime-node has none that work on this
 * Node): the graph gets casts at its edges. A tensor's values are FP32 in this process anyway, so only its name of type changes.
 */
export function withHalfPrecision(open: RunnerFactory): RunnerFactory {
  return async (bytes, inputs, outputs) => {
    if (![...inputs, ...outputs].some((spec) => isHalf(spec.datatype))) return open(bytes, inputs, outputs);
    const model = readModel(bytes);
    widenHalfPrecision(model);
    const runner = await open(writeModel(model), inputs.map(widened), outputs.map(widened));
    return new HalfPrecisionRunner(runner, inputs, outputs);
  };
}

class HalfPrecisionRunner implements Runner {
  readonly #halves: ReadonlyMap<string, Tensor['datatype']>;

  constructor(
    private readonly runner: Runner,
    readonly inputs: readonly TensorSpec[],
    readonly outputs: readonly TensorSpec[],
  ) {
    this.#halves = new Map(outputs.filter((spec) => isHalf(spec.datatype)).map((spec) => [spec.name, spec.datatype]));
  }

  async run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]> {
    const results = await this.runner.run(inputs.map(widened), outputs);
    return results.map((tensor) => ({ ...tensor, datatype: this.#halves.get(tensor.name) ?? tensor.datatype }));
  }

  close(): Promise<void> {
    return this.runner.close();
  }
}

function widened<T extends TensorSpec | Tensor>(tensor: T): T {
  return isHalf(tensor.datatype) ? { ...tensor, datatype: 'FP32' } : tensor;
}
