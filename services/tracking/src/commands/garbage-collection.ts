import type { ArtifactStore } from '@millrace/artifact-store';
import type { CommandMetadata, Ids } from '@millrace/kernel';
import { proxiedArtifactPath } from '@millrace/mlflow-protocol';
import { DEFAULT_EXPERIMENT_ID } from '../domain/experiments/experiments.decider.js';
import type { DeletedRun } from '../queries/deleted-runs.query.js';
import type { RegisteredVersionsView } from '../queries/registered-versions-view.js';
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
  /** Runs that stay, deleted as they are, with what needs their files: `version 3 of delay`. */
  readonly needed: readonly { readonly run: string; readonly by: readonly string[] }[];
}

export interface GarbageCollectionOptions {
  readonly commands: TrackingCommands;
  readonly view: TrackingView;
  readonly artifacts: ArtifactStore;
  /** Deleted runs by id after one, from a projection that has passed all that was acknowledged before the call. */
  readonly deletedRuns: (experiments: ReadonlyMap<string, number>, after: string, limit: number) => Promise<readonly DeletedRun[]>;
  readonly registered: Pick<RegisteredVersionsView, 'upToDate' | 'withFilesIn'>;
  readonly ids: Ids;
}

interface Found {
  readonly runs: string[];
  readonly left: string[];
  readonly needed: Garbage['needed'][number][];
}

const PAGE = 500;

/**
 * Makes deletion final. The artifacts go first: after a crash in between the run is still listed as deleted and is collected again. The
 * files of a registered version stay, and the run with them: a model that serves must not be lost with a run nobody wants to see. The
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
    const found: Found = { runs: [], left: [], needed: [] };
    const withNeeded = new Set<string>();
    const all = new Map([...view.experiments().byId.values()].filter((one) => one.deleted).map((one) => [one.id, one.updatedAt]));
    for (let after = ''; ;) {
      const page = await this.options.deletedRuns(all, after, PAGE);
      await this.options.registered.upToDate();
      for (const run of page) {
        if (asked && !wanted.has(run.runId) && !(all.has(run.experimentId) && request.experimentIds.includes(run.experimentId))) continue;
        if (run.deletedAt >= request.deletedBefore) continue;
        if (await this.#purgeRun(run.runId, all.has(run.experimentId), request, metadata, found)) continue;
        withNeeded.add(run.experimentId);
      }
      if (page.length < PAGE) break;
      after = (page.at(-1) as DeletedRun).runId;
    }
    const purged: string[] = [];
    for (const experimentId of experiments) {
      if (withNeeded.has(experimentId)) continue;
      if (request.dryRun || (await this.#purgeExperiment(experimentId, metadata))) purged.push(experimentId);
    }
    const told = new Set([...found.runs, ...purged, ...found.needed.map(({ run }) => run), ...withNeeded]);
    const notDeleted = [...request.runIds, ...request.experimentIds].filter((id) => !told.has(id));
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

  /** False when it stays because something needs its files. */
  async #purgeRun(
    runId: string,
    withExperiment: boolean,
    { dryRun }: GarbageRequest,
    metadata: CommandMetadata,
    found: Found,
  ): Promise<boolean> {
    const { view, artifacts, commands, registered } = this.options;
    const run = view.run(runId);
    if (!run) return true;
    const path = proxiedArtifactPath(run.artifactUri);
    const versions = path === undefined || path === '' ? [] : registered.withFilesIn(runId, path);
    if (versions.length > 0) {
      found.needed.push({ run: runId, by: versions.map(({ name, version }) => `version ${version} of ${name}`) });
      return false;
    }
    if (path === undefined || path === '') found.left.push(run.artifactUri);
    if (!dryRun) {
      if (path !== undefined && path !== '') await artifacts.remove(path);
      const written = await commands.run(runId, { type: 'PurgeRun', withExperiment }, this.#metadata(`run ${runId}`, metadata));
      if (written.kind === 'rejected') return true;
    }
    found.runs.push(runId);
    return true;
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
