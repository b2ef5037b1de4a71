import type { TensorSpec } from '../domain/tensor/tensor.js';
import type { Directory } from '../gateway/gateway.js';
import { modelOf, type Slot } from '../models/model-host.js';

export interface ModelDescription {
  readonly versions: readonly string[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** What is served and whether it can answer. */
export class ServingStatus {
  constructor(
    private readonly directory: Directory,
    private readonly slots: () => readonly Slot[],
    private readonly isCaughtUp: () => boolean,
  ) {}

  /** The log is read up to where it stood at the start and no first load is under way. */
  isReady(): boolean {
    return this.isCaughtUp() && this.slots().every((slot) => slot.current !== undefined || !slot.isLoading);
  }

  async model(name: string, version: string | undefined): Promise<ModelDescription> {
    const served = await this.directory.find(name, version);
    const model = modelOf(served.slotOf(served.reference), `model ${JSON.stringify(name)}`);
    return { versions: [String(model.version.version)], inputs: model.inputs, outputs: model.outputs };
  }

  /** Throws where there is no such model; `false` where there is one that cannot answer. */
  async isModelReady(name: string, version: string | undefined): Promise<boolean> {
    const served = await this.directory.find(name, version);
    return served.slotOf(served.reference)?.current !== undefined;
  }
}
