import { Refusal } from '../domain/refusal.js';
import { parseModelReference, resolveModel } from '../domain/registry/model-reference.js';
import { CATALOG_SUBJECT, type CatalogState } from '../domain/registry/model-catalog.js';
import type { Slot } from '../models/model-host.js';
import { modelOf } from '../models/model-host.js';
import type { ServingDirectory } from '../models/serving-directory.js';

export type ModelReadiness = 'READY' | 'LOADING' | 'UNAVAILABLE';

export interface IndexedModel {
  readonly name: string;
  /** Empty where there is none to serve. */
  readonly version: string;
  readonly state: ModelReadiness;
  /** Why it is not ready, or does not serve what its definition names; empty otherwise. */
  readonly reason: string;
}

export interface ModelRepositoryOptions {
  readonly directory: ServingDirectory;
  readonly registry: (subject: string) => unknown;
  readonly slots: () => readonly Slot[];
  readonly waitFor: (reference: string, waitMs: number) => Promise<void>;
  readonly loadWaitMs: number;
}

/**
 * The protocol's model repository: the registry's models and the deployments, and which of them are in this process's memory. Loading and
 * unloading are about that memory only. What is served is said by deployments, on the log; so nothing here can take away what one names.
 */
export class ModelRepository {
  constructor(private readonly options: ModelRepositoryOptions) {}

  /** Deployments first, then registered models under their own names with what of them is loaded, or their latest version. */
  index(isReadyOnly: boolean): IndexedModel[] {
    const { directory, registry, slots } = this.options;
    const bySlot = new Map(slots().map((slot) => [slot.reference, slot]));
    const deployed = directory.deployments().map((deployment) => {
      const reference = directory.referenceOf(deployment);
      const version = bySlot.get(reference)?.current?.version.version ?? versionOf(reference, registry);
      const readiness = readinessOf(bySlot.get(reference));
      // Another answers in the stead of what is defined: that one says why.
      const reason = readiness.reason || (deployment.model === reference ? '' : (bySlot.get(deployment.model)?.failure ?? ''));
      return { name: deployment.name, version: version === undefined ? '' : String(version), ...readiness, reason };
    });
    const taken = new Set(deployed.map(({ name }) => name));
    const models = [...(registry(CATALOG_SUBJECT) as CatalogState).modelIds.keys()].filter((name) => !taken.has(name));
    const own = models.flatMap((name) => {
      const loaded = onDemand(name, bySlot.values());
      if (loaded.length > 0) return loaded.map((slot) => ({ name, version: slot.reference.split('/').at(-1) ?? '', ...readinessOf(slot) }));
      const latest = directory.latest(name);
      if (latest.ok) return [{ name, version: String(latest.version.version), ...readinessOf(undefined) }];
      return latest.isNotAdmitted ? [{ name, version: '', state: 'UNAVAILABLE' as const, reason: latest.reason }] : [];
    });
    const all = [...deployed, ...own];
    return isReadyOnly ? all.filter(({ state }) => state === 'READY') : all;
  }

  /** Brings what the name serves into memory and waits for it; refused with the reason when it does not come in time. */
  async load(name: string): Promise<void> {
    const { directory, waitFor, loadWaitMs } = this.options;
    const served = await directory.find(name, undefined);
    await waitFor(served.reference, loadWaitMs);
    modelOf(served.slotOf(served.reference), `model ${JSON.stringify(name)}`);
  }

  /** Lets go of every version of a registered model that was loaded because somebody asked for it. The next who asks loads it again. */
  unload(name: string): void {
    const { directory, registry, slots } = this.options;
    if (directory.deployments().some((deployment) => deployment.name === name))
      throw new Refusal(
        'MR_INFERENCE_REPOSITORY',
        `deployment ${JSON.stringify(name)} keeps its model loaded; delete the deployment instead`,
      );
    if (!(registry(CATALOG_SUBJECT) as CatalogState).modelIds.has(name))
      throw new Refusal('MR_INFERENCE_UNKNOWN_MODEL', `there is no registered model ${JSON.stringify(name)}`);
    for (const slot of onDemand(name, slots())) directory.release(slot.reference);
  }
}

/** The slots of a model by version: what asking for it under its own name makes. */
function onDemand(name: string, slots: Iterable<Slot>): Slot[] {
  return [...slots].filter(({ reference }) => {
    const parsed = parseModelReference(reference);
    return parsed?.name === name && 'version' in parsed;
  });
}

function versionOf(reference: string, registry: (subject: string) => unknown): number | undefined {
  const parsed = parseModelReference(reference);
  const resolved = parsed && resolveModel(parsed, registry);
  return resolved?.ok ? resolved.version.version : undefined;
}

function readinessOf(slot: Slot | undefined): Pick<IndexedModel, 'state' | 'reason'> {
  if (slot?.current) return { state: 'READY', reason: slot.failure ?? '' };
  if (slot?.isLoading) return { state: 'LOADING', reason: 'being loaded' };
  return { state: 'UNAVAILABLE', reason: slot?.failure ?? slot?.unloaded ?? 'not loaded; it is when it is asked for' };
}
