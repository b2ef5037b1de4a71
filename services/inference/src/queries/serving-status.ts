import type { TensorSpec } from '../domain/tensor/tensor.js';
import type { FeatureServiceShape } from '../gateway/feature-vectors.js';
import type { Directory } from '../gateway/gateway.js';
import { modelOf, type Slot } from '../models/model-host.js';
import { isRowwise } from '../runner/row-mixing.js';

export interface ModelDescription {
  /** Of the version that is described. */
  readonly version: string;
  /** All that may be asked for by their numbers. */
  readonly versions: readonly string[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Rows that are run together at most; 0: requests are run one by one, because a size that is fixed leaves no room for others' rows. */
  readonly maxBatchRows: number;
  /** Column names of the single input, in order, when the model says them. */
  readonly features: readonly string[] | undefined;
  /** Of the deployment behind the name, when it has one. */
  readonly featureService: string | undefined;
  /** What that feature service is asked with; absent while it is not known here. */
  readonly asked?: FeatureServiceShape | undefined;
}

export interface ServingStatusOptions {
  readonly directory: Directory;
  readonly slots: () => readonly Slot[];
  readonly shapeOf: (featureService: string) => FeatureServiceShape | undefined;
  /** The versions that a registered model has. */
  readonly versionsOf: (model: string) => readonly number[];
  /** Everything that was on the log at the start has been looked at. */
  readonly areDefinitionsKnown: () => boolean;
  readonly maxBatchRows: number;
  readonly isStopping: () => boolean;
}

/** What is served and whether it can answer. */
export class ServingStatus {
  #wasReady = false;

  constructor(private readonly options: ServingStatusOptions) {}

  /** Whether new requests are welcome: it can answer, and is not about to end. */
  isReady(): boolean {
    return !this.options.isStopping() && this.missing() === undefined;
  }

  /**
   * What keeps the process from answering for the first time: definitions still to be read, first loads under way. Once ready it
   * stays so: a deployment added later is loading by itself, the others answer.
   */
  missing(): string | undefined {
    if (this.#wasReady) return undefined;
    if (!this.options.areDefinitionsKnown()) return 'reading deployments and registered models';
    const loading = this.options.slots().filter((slot) => slot.isLoading && !slot.current);
    if (loading.length > 0) return `loading ${loading.map((slot) => slot.reference).join(', ')}`;
    this.#wasReady = true;
    return undefined;
  }

  async model(name: string, version: string | undefined): Promise<ModelDescription> {
    const served = await this.options.directory.find(name, version);
    const model = modelOf(served.slotOf(served.reference), `model ${JSON.stringify(name)}`);
    const { inputs, outputs } = model;
    const featureService = served.deployment?.featureService;
    const isBatched = this.options.maxBatchRows > 1 && isRowwise(inputs, outputs);
    return {
      version: String(model.version.version),
      versions: this.options.versionsOf(model.version.name).map(String),
      ...{ inputs, outputs, features: model.features },
      maxBatchRows: isBatched ? this.options.maxBatchRows : 0,
      featureService,
      asked: featureService === undefined ? undefined : this.options.shapeOf(featureService),
    };
  }

  /** Throws where there is no such model; `false` where there is one that cannot answer. One that is loaded when it is asked for can. */
  async isModelReady(name: string, version: string | undefined): Promise<boolean> {
    const served = await this.options.directory.find(name, version, 0);
    const slot = served.slotOf(served.reference);
    return slot?.current !== undefined || (slot?.unloaded !== undefined && slot.failure === undefined);
  }
}
