import {
  checkModel,
  metadataOf,
  readModel,
  signatureOf,
  stripZipMap,
  writeModel,
  FEATURES_METADATA,
  type Datatype as OnnxDatatype,
} from '@millrace/onnx';
import { Refusal } from '../domain/refusal.js';
import type { ModelVersion } from '../domain/registry/model-reference.js';
import { elementsOf, emptyData, isDatatype, type TensorSpec } from '../domain/tensor/tensor.js';
import { BatchingQueue, type BatchingOptions } from '../runner/batching-queue.js';
import type { Runner, RunnerFactory } from '../runner/runner.js';

/** One version, loaded and able to answer. Leased while a request uses it; closed after it is retired and the last lease is back. */
export class ServedModel {
  #leases = 0;
  #retired = false;

  private constructor(
    readonly version: ModelVersion,
    readonly queue: BatchingQueue,
    readonly inputs: readonly TensorSpec[],
    readonly outputs: readonly TensorSpec[],
    /** Column names of the single input tensor, in order, when the model says them. */
    readonly features: readonly string[] | undefined,
    /** What went wrong in the warm-up; some models cannot take zeros. */
    readonly warmUpError: string | undefined,
    private readonly runner: Runner,
  ) {}

  /** Checks the bytes, makes the model servable, loads and warms it up. */
  static async load(version: ModelVersion, bytes: Uint8Array, open: RunnerFactory, batching: BatchingOptions): Promise<ServedModel> {
    const label = `${version.name} version ${version.version}`;
    const model = readModel(bytes);
    const [problem] = checkModel(model);
    if (problem) throw new Refusal('MR_INFERENCE_UNSERVABLE', `${label}: ${problem.message}`);
    const servable = stripZipMap(model).length > 0 ? writeModel(model) : bytes;
    const signature = signatureOf(model);
    const [other] = signature.otherInputs;
    if (other)
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `${label}: input ${JSON.stringify(other.name)} is a ${other.type}; only tensors are served`,
      );
    const inputs = servedSpecs(label, signature.inputs);
    const outputs = servedSpecs(label, signature.outputs);
    if (outputs.length === 0) throw new Refusal('MR_INFERENCE_UNSERVABLE', `${label} gives no tensor`);
    const runner = await open(servable, inputs, outputs);
    const warmUpError = await warmUp(runner);
    return new ServedModel(
      version,
      new BatchingQueue(runner, batching),
      inputs,
      outputs,
      featuresOf(metadataOf(model)),
      warmUpError,
      runner,
    );
  }

  get leases(): number {
    return this.#leases;
  }

  lease(): () => void {
    this.#leases++;
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.#leases--;
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
    await this.queue.idle();
    await this.runner.close();
  }
}

function servedSpecs(
  label: string,
  specs: readonly { name: string; datatype: OnnxDatatype; shape: readonly number[] | undefined }[],
): TensorSpec[] {
  return specs.map(({ name, datatype, shape }) => {
    if (!isDatatype(datatype))
      throw new Refusal(
        'MR_INFERENCE_UNSERVABLE',
        `${label}: ${JSON.stringify(name)} is ${datatype}, which is not served; export the model with FP32`,
      );
    return { name, datatype, shape };
  });
}

function featuresOf(metadata: ReadonlyMap<string, string>): readonly string[] | undefined {
  const text = metadata.get(FEATURES_METADATA);
  if (text === undefined) return undefined;
  const names: unknown = JSON.parse(text);
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
}

/** The first run allocates and picks kernels: better now than in someone's request. */
async function warmUp(runner: Runner): Promise<string | undefined> {
  if (runner.inputs.some((input) => input.shape === undefined)) return undefined;
  const inputs = runner.inputs.map(({ name, datatype, shape }) => {
    const sizes = (shape ?? []).map((size) => (size === -1 ? 1 : size));
    return { name, datatype, shape: sizes, data: emptyData(datatype, elementsOf(sizes)) };
  });
  try {
    await runner.run(
      inputs,
      runner.outputs.map((output) => output.name),
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
