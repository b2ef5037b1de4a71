import { openSession } from '@millrace/onnx/runtime';
import type { InferenceSession } from 'onnxruntime-node';
import type { Tensor, TensorSpec } from '../domain/tensor/tensor.js';
import { sessionMemory } from './model-memory.js';
import { runSession } from './ort-session.js';
import type { RunOutcome, Runner } from './runner.js';

/**
 * Runs a model in this process's event loop: onnxruntime-node's `run` blocks the loop while it computes, so this is for models whose run
 * takes well under a millisecond a batch. What it saves is the way to another thread and back.
 */
export class InLoopRunner implements Runner {
  readonly place = 'in-loop';
  readonly parallelism = 1;

  private constructor(
    readonly inputs: readonly TensorSpec[],
    readonly outputs: readonly TensorSpec[],
    readonly memoryBytes: number,
    private readonly session: InferenceSession,
  ) {}

  static async open(bytes: Uint8Array, inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): Promise<InLoopRunner> {
    return new InLoopRunner(inputs, outputs, sessionMemory(bytes.byteLength), await openSession(bytes));
  }

  turn(): undefined {
    return undefined;
  }

  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<RunOutcome> {
    return runSession(this.session, inputs, outputs);
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}
