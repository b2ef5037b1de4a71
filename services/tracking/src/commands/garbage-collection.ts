import type { ArtifactStore } from '@millrace/artifact-store';
import type { CommandMetadata, Ids } from '@millrace/kernel';
import { proxiedArtifactPath } from '@millrace/mlflow-protocol';
import { DEFAULT_EXPERIMENT_ID } from '../domain/experiments/experiments.decider.js';
import type { DeletedRun } from '../queries/deleted-runs.query.js';
import type { TrackingView } from '../queries/tracking-view.js';
import type { TrackingCommands } from './tracking-commands.js';

export interface GarbageRequest {
  /** Only what was deleted before; milliseconds since the epoch. */
  readonly deletedBefore: number;
  /** Only these; empty for all that is deleted. Ids of what is not deleted are told and left. */
  readonly runIds: readonly string[];
  readonly experimentIds: readonly string[];
  /** Only tells what would go. */
  readonly dryRun: boolean;
}

export interface Garbage {
  readonly runs: readonly string[];
  readonly experiments: readonly string[];
  /** Artifacts that lie outside this server's store and were left where they are. */
  readonly left: readonly string[];
  /** Ids that were asked for and are not deleted, or not there. */
  readonly notDeleted: readonly string[];
}

export interface GarbageCollectionOptions {
  readonly commands: TrackingCommands;
  readonly view: TrackingView;
  readonly artifacts: ArtifactStore;
  /** Deleted runs by id after one, from a projection that has passed all that was acknowledged before the call. */
  readonly deletedRuns: (experiments: ReadonlyMap<string, number>, after: string, limit: number) => Promise<readonly DeletedRun[]>;
  readonly ids: Ids;
}

const PAGE = 500;

/**
 * Makes deletion final. The artifacts go first: after a crash in between the run is still listed as deleted and is collected again. The
 * decisions stay on the log, as all do; what was decided is no secret, and a name that is free again is free by the log's own word.
 */
export class GarbageCollection {
  constructor(private readonly options: GarbageCollectionOptions) {}

  async collect(request: GarbageRequest, metadata: CommandMetadata): Promise<Garbage> {
    const { view } = this.options;
    await view.upToDate();
    const experiments = this.#deletedExperiments(request);
    const wanted = new Set(request.runIds);
    const asked = wanted.size > 0 || request.experimentIds.length > 0;
    const found = { runs: [] as string[], left: [] as string[] };
    const all = new Map([...view.experiments().byId.values()].filter((one) => one.deleted).map((one) => [one.id, one.updatedAt]));
    for (let after = ''; ;) {
      const page = await this.options.deletedRuns(all, after, PAGE);
      for (const run of page) {
        if (asked && !wanted.has(run.runId) && !(all.has(run.experimentId) && request.experimentIds.includes(run.experimentId))) continue;
        if (run.deletedAt >= request.deletedBefore) continue;
        await this.#purgeRun(run.runId, all.has(run.experimentId), request, metadata, found);
      }
      if (page.length < PAGE) break;
      after = (page.at(-1) as DeletedRun).runId;
    }
    const purged: string[] = [];
    for (const experimentId of experiments) {
      if (request.dryRun || (await this.#purgeExperiment(experimentId, metadata))) purged.push(experimentId);
    }
    const gone = new Set([...found.runs, ...purged]);
    const notDeleted = [...request.runIds, ...request.experimentIds].filter((id) => !gone.has(id));
    return { ...found, experiments: purged, notDeleted };
  }

  /** The default experiment is never collected: clients log into it without asking. */
  #deletedExperiments({ runIds, experimentIds, deletedBefore }: GarbageRequest): string[] {
    if (runIds.length > 0 && experimentIds.length === 0) return [];
    return [...this.options.view.experiments().byId.values()]
      .filter((one) => one.deleted && one.id !== DEFAULT_EXPERIMENT_ID && one.updatedAt < deletedBefore)
      .filter((one) => experimentIds.length === 0 || experimentIds.includes(one.id))
      .map((one) => one.id);
  }

  async #purgeRun(
    runId: string,
    withExperiment: boolean,
    { dryRun }: GarbageRequest,
    metadata: CommandMetadata,
    found: { runs: string[]; left: string[] },
  ): Promise<void> {
    const { view, artifacts, commands } = this.options;
    const run = view.run(runId);
    if (!run) return;
    const path = proxiedArtifactPath(run.artifactUri);
    if (path === undefined || path === '') found.left.push(run.artifactUri);
    if (!dryRun) {
      if (path !== undefined && path !== '') await artifacts.remove(path);
      const written = await commands.run(runId, { type: 'PurgeRun', withExperiment }, this.#metadata(`run ${runId}`, metadata));
      if (written.kind === 'rejected') return;
    }
    found.runs.push(runId);
  }

  /** False when it was restored meanwhile. */
  async #purgeExperiment(experimentId: string, metadata: CommandMetadata): Promise<boolean> {
    const step = this.#metadata(`experiment ${experimentId}`, metadata);
    return (await this.options.commands.experiments({ type: 'PurgeExperiment', experimentId }, step)).kind === 'written';
  }

  /** One request makes many decisions; each has an id of its own. */
  #metadata(what: string, metadata: CommandMetadata): CommandMetadata {
    return { ...metadata, commandId: this.options.ids.derived(metadata.commandId, what) };
  }
}
