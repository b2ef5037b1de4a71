import type { DecisionReplica } from '@millrace/kernel';
import type { GovernedModel } from '../domain/governance/governance.state.js';
import { modelNamed, MODELS, type Models, type RegisteredModel } from '../domain/models/models.decider.js';
import { aliasesOf, type Model, type ModelVersion } from '../domain/model/model.decider.js';

/** The domain's decisions as a query reads them. */
export interface RegistryLog {
  readonly replica: DecisionReplica;
  barrier(): Promise<void>;
}

/** A registered model with what is decided about its versions. */
export interface ModelView {
  readonly registered: RegisteredModel;
  readonly model: Model;
  /** When the model last changed, or a version came, went or moved. */
  readonly updatedAt: number;
}

export interface VersionView {
  readonly registered: RegisteredModel;
  readonly version: ModelVersion;
  readonly aliases: readonly string[];
}

/**
 * Registered models and their versions as this process has folded them. A registry is small (names people chose), so searching it is
 * going through it; `upToDate` first, for a client that carries no position.
 */
export class RegistryView {
  constructor(private readonly log: RegistryLog) {}

  upToDate(): Promise<void> {
    return this.log.barrier();
  }

  model(name: string): ModelView | undefined {
    const registered = modelNamed(this.#models(), name);
    return registered && this.#view(registered);
  }

  version(name: string, version: number): VersionView | undefined {
    const found = this.model(name);
    const one = found?.model.versions.get(version);
    return found && one && versionView(found, one);
  }

  /** A model with what policies need to know of it, by its id. */
  governed(modelId: string): GovernedModel {
    return this.log.replica.subject(`model/${modelId}`).state as GovernedModel;
  }

  /** By the id its name hides. */
  byId(modelId: string): RegisteredModel | undefined {
    return this.#models().byId.get(modelId);
  }

  *models(): Generator<ModelView> {
    for (const registered of this.#models().byId.values()) yield this.#view(registered);
  }

  *versions(): Generator<VersionView> {
    for (const view of this.models()) for (const version of view.model.versions.values()) yield versionView(view, version);
  }

  #models(): Models {
    return this.log.replica.subject(MODELS).state as Models;
  }

  #view(registered: RegisteredModel): ModelView {
    const model = this.log.replica.subject(`model/${registered.modelId}`).state as Model;
    return { registered, model, updatedAt: Math.max(registered.updatedAt, model.updatedAt) };
  }
}

export function versionView({ registered, model }: ModelView, version: ModelVersion): VersionView {
  return { registered, version, aliases: aliasesOf(model, version.version) };
}

/** The newest version of each stage that has one. */
export function latestByStage(model: Model): ModelVersion[] {
  const latest = new Map<string, ModelVersion>();
  for (const version of model.versions.values()) {
    const seen = latest.get(version.stage);
    if (!seen || version.version > seen.version) latest.set(version.stage, version);
  }
  return [...latest.values()];
}
