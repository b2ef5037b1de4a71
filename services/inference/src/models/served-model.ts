import type { ModelVersion } from '../domain/registry/model-reference.js';
import type { TensorSpec } from '../domain/tensor/tensor.js';
import { BatchingQueue, type BatchingOptions } from '../runner/batching-queue.js';
import type { Place } from '../runner/runner.js';
import type { OpenedModel, RunnerOpener } from '../runner/runner-opener.js';
import type { ModelFiles } from './servable-model.js';

/** One version, loaded and able to answer. Leased while a request uses it; closed after it is retired and the last lease is back. */
export class ServedModel {
  readonly #opened: OpenedModel;
  readonly #now: () => number;
  readonly queue: BatchingQueue;
  /** Names of all its outputs: what a request gets that names none. */
  readonly outputNames: readonly string[];
  #leases = 0;
  #retired = false;
  #lastUsed: number;

  private constructor(
    readonly version: ModelVersion,
    opened: OpenedModel,
    batching: BatchingOptions,
  ) {
    this.#opened = opened;
    this.#now = batching.now;
    this.#lastUsed = batching.now();
    this.queue = new BatchingQueue(opened.runner, opened.mixesRows ? { ...batching, maxBatchRows: 1 } : batching);
    this.outputNames = opened.outputs.map((output) => output.name);
  }

  /**
   * Loads the graph that `read` gives, and warms it up; `admit` is told its bytes before, and may throw. Throws a refusal that says why when it
   * cannot be served.
   */
  static async load(
    version: ModelVersion,
    read: () => Promise<ModelFiles>,
    opener: RunnerOpener,
    batching: BatchingOptions,
    admit?: (graphBytes: number) => void,
  ): Promise<ServedModel> {
    const opened = await opener.open(`${version.name} version ${version.version}`, read, admit);
    return new ServedModel(version, opened, batching);
  }

  get inputs(): readonly TensorSpec[] {
    return this.#opened.inputs;
  }

  get outputs(): readonly TensorSpec[] {
    return this.#opened.outputs;
  }

  /** Column names of the single input tensor, in order, when the model says them. */
  get features(): readonly string[] | undefined {
    return this.#opened.features;
  }

  /** Half-precision inputs and outputs, which the graph as it is run takes and gives as FP32. */
  get widened(): readonly string[] {
    return this.#opened.widened;
  }

  /** Whether a row's answer depends on the rows it is run with. */
  get mixesRows(): boolean {
    return this.#opened.mixesRows;
  }

  /** What went wrong in the warm-up; some models cannot take zeros. */
  get warmUpError(): string | undefined {
    return this.#opened.warmUpError;
  }

  get place(): Place {
    return this.#opened.runner.place;
  }

  /** About how much memory it takes. */
  get memoryBytes(): number {
    return this.#opened.runner.memoryBytes;
  }

  get leases(): number {
    return this.#leases;
  }

  /** Milliseconds since a request last asked for it; since it was loaded when none has. */
  idleMs(): number {
    return this.#leases > 0 ? 0 : this.#now() - this.#lastUsed;
  }

  lease(): () => void {
    this.#leases++;
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.#leases--;
      this.#lastUsed = this.#now();
      if (this.#retired && this.#leases === 0) void this.#close();
    };
  }

  /** No new requests will come. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#leases === 0) void this.#close();
  }

  async #close(): Promise<void> {
    await this.queue.close();
    await this.#opened.runner.close();
  }
}
