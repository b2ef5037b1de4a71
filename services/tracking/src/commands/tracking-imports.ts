import type { CommandMetadata, CommandOutcome, Ids, Position } from '@millrace/kernel';
import { EXPERIMENTS, type ExperimentsCommand, type ExperimentsRejection } from '../domain/experiments/experiments.decider.js';
import type { ExperimentsEvent } from '../domain/experiments/experiments.events.js';
import { toWire, type MetricPoint } from '../domain/metric-points/metric-points.js';
import type { KeyValue, Run, RunCommand, RunRejection } from '../domain/run/run.decider.js';
import type { DatasetInput, RunEvent, RunStatus } from '../domain/run/run.events.js';
import type { TrackingView } from '../queries/tracking-view.js';
import type { AppendMetricPoints, DecisionWriter, Written } from './tracking-commands.js';

/** Names the server a run was brought from. */
export const IMPORTED_FROM_TAG = 'millrace.importedFrom';

export interface ImportedRun {
  readonly runId: string;
  readonly experimentId: string;
  readonly name: string;
  readonly userId: string;
  readonly status: RunStatus;
  readonly startTime: number;
  readonly endTime: number | null;
  readonly params: readonly KeyValue[];
  readonly tags: readonly KeyValue[];
  readonly datasets: readonly DatasetInput[];
  readonly origin: string;
}

/**
 * Brings experiments and runs of another server, under their own ids and times. Every step finds what an earlier attempt has done, so a
 * killed import is begun again from the start. What people have changed here since stays as they left it.
 */
export class TrackingImports {
  constructor(
    private readonly log: DecisionWriter,
    private readonly view: TrackingView,
    private readonly append: AppendMetricPoints,
    private readonly ids: Ids,
  ) {}

  /** An experiment of that name that is here already takes the runs. */
  async experiment(
    command: Extract<ExperimentsCommand, { type: 'CreateExperiment' }>,
    metadata: CommandMetadata,
  ): Promise<Written<{ experimentId: string; created: boolean }>> {
    const outcome: CommandOutcome<ExperimentsEvent, ExperimentsRejection> = await this.log.handle(EXPERIMENTS, command, metadata);
    if (outcome.kind === 'accepted') {
      return { kind: 'written', value: { experimentId: outcome.event.data.experimentId, created: true }, positions: [outcome.position] };
    }
    const existing = this.view.experimentNamed(command.name);
    if (existing) return { kind: 'written', value: { experimentId: existing.id, created: false }, positions: [] };
    if (outcome.kind === 'rejected') return outcome;
    throw new TypeError(`command ${metadata.commandId} was not the import of an experiment`);
  }

  async run(imported: ImportedRun, metadata: CommandMetadata): Promise<Written<{ run: Run; created: boolean }>> {
    const { runId, experimentId, origin } = imported;
    await this.view.upToDate();
    const experiment = this.view.experiment(experimentId);
    if (!experiment) {
      const message = `No Experiment with id=${experimentId} exists`;
      return { kind: 'rejected', rejection: { code: 'MR_TRACKING_EXPERIMENT_NOT_FOUND', message } };
    }
    const existing = this.view.run(runId);
    if (existing && (existing.tags.get(IMPORTED_FROM_TAG) !== origin || existing.experimentId !== experimentId)) {
      const message = `Run with id=${runId} already exists, and was not brought from ${origin} into experiment ${experimentId}`;
      return { kind: 'rejected', rejection: { code: 'MR_TRACKING_RUN_EXISTS', message } };
    }
    // Deleting is the last step of bringing a run.
    if (existing?.deleted) return { kind: 'written', value: { run: existing, created: false }, positions: [] };
    const positions: Position[] = [];
    for (const [step, command] of this.#steps(imported, experiment.artifactLocation, existing)) {
      const one = { ...metadata, commandId: this.ids.derived(metadata.commandId, step) };
      const outcome: CommandOutcome<RunEvent, RunRejection> = await this.log.handle(`run/${runId}`, command, one);
      if (outcome.kind === 'rejected') return outcome;
      positions.push(outcome.position);
    }
    return { kind: 'written', value: { run: this.view.run(runId) as Run, created: !existing }, positions };
  }

  /** Points of a run that was brought, also of one that is deleted; a point that is there already is one point. */
  async points(runId: string, points: readonly MetricPoint[], metadata: CommandMetadata): Promise<Written> {
    await this.view.upToDate();
    const run = this.view.run(runId);
    if (!run?.tags.has(IMPORTED_FROM_TAG)) {
      return { kind: 'rejected', rejection: { code: 'MR_TRACKING_RUN_NOT_FOUND', message: `No run with id=${runId} was brought here` } };
    }
    if (points.length === 0) return { kind: 'written', value: undefined, positions: [] };
    const id = this.ids.derived(metadata.commandId, 'metric-points');
    const data = { runId, experimentId: run.experimentId, points: points.map(toWire) };
    return { kind: 'written', value: undefined, positions: await this.append(data, id, metadata.traceparent) };
  }

  /** What is missing of the run, in order. Params and tags that are here already were brought before, and may have been changed since. */
  #steps(imported: ImportedRun, artifactLocation: string, existing: Run | undefined): [step: string, command: RunCommand][] {
    const { runId, experimentId, name, userId, startTime, status, endTime, origin } = imported;
    const steps: [string, RunCommand][] = [];
    const tags = [...imported.tags, { key: IMPORTED_FROM_TAG, value: origin }];
    if (!existing) {
      const artifactUri = `${artifactLocation.replace(/\/+$/, '')}/${runId}/artifacts`;
      steps.push(['create', { type: 'CreateRun', runId, experimentId, name, userId, startTime, artifactUri, tags }]);
    }
    const params = imported.params.filter(({ key }) => !existing?.params.has(key));
    const missing = existing ? tags.filter(({ key }) => !existing.tags.has(key)) : [];
    if (params.length + missing.length > 0) steps.push(['annotate', { type: 'AnnotateRun', params, tags: missing }]);
    if (imported.datasets.length > 0) steps.push(['datasets', { type: 'LogDatasets', inputs: imported.datasets }]);
    if (!existing || (existing.status === 'RUNNING' && existing.endTime === null)) {
      steps.push(['finish', { type: 'UpdateRun', status, endTime, name: null }]);
    }
    return steps;
  }
}
