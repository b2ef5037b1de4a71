import type { CommandMetadata, CommandOutcome, Ids, Position } from '@millrace/kernel';
import {
  EXPERIMENTS,
  type Experiment,
  type ExperimentsCommand,
  type ExperimentsRejection,
} from '../domain/experiments/experiments.decider.js';
import type { ExperimentsEvent, ImportedExperiment } from '../domain/experiments/experiments.events.js';
import { toWire, type MetricPoint } from '../domain/metric-points/metric-points.js';
import { IMPORTED_FROM_TAG, RUN_NAME_TAG, type KeyValue, type Run, type RunCommand, type RunRejection } from '../domain/run/run.decider.js';
import type { DatasetInput, ModelOutput, RunEvent, RunStatus } from '../domain/run/run.events.js';
import type { TrackingView } from '../queries/tracking-view.js';
import type { AppendMetricPoints, DecisionWriter, Written } from './tracking-commands.js';

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
  /** Logged models it used, and those it made. */
  readonly modelInputs: readonly string[];
  readonly modelOutputs: readonly ModelOutput[];
  readonly origin: string;
  /** Whether it is deleted there. */
  readonly deleted: boolean;
}

/** An experiment that takes the runs of one that is somewhere else. */
export interface ReceivingExperiment {
  readonly experimentId: string;
  readonly created: boolean;
  /** Of `name` and `lifecycle_stage`: what was changed here since it was brought. */
  readonly changedHere: readonly string[];
  /** Why a change that was made there could not be followed. */
  readonly refused: readonly string[];
}

export interface BroughtRun {
  readonly run: Run;
  readonly created: boolean;
}

/**
 * Brings experiments and runs of another server, under their own ids and times. Every step finds what an earlier attempt has done, so a
 * killed import is begun again from the start, and follows what was changed there since. What people have changed here since stays as they left it.
 */
export class TrackingImports {
  constructor(
    private readonly log: DecisionWriter,
    private readonly view: TrackingView,
    private readonly append: AppendMetricPoints,
    private readonly ids: Ids,
  ) {}

  /**
   * The experiment that was brought from there under that id, whatever its name is now; else one of that name, which takes the runs; else a
   * new one.
   */
  async experiment(
    command: Extract<ExperimentsCommand, { type: 'CreateExperiment' }> & { readonly imported: ImportedExperiment },
    deleted: boolean,
    metadata: CommandMetadata,
  ): Promise<Written<ReceivingExperiment>> {
    await this.view.upToDate();
    const { origin, experimentId } = command.imported;
    const known = this.#broughtFrom(origin, experimentId);
    if (known) return this.#followed(known, command.name, deleted, origin, metadata);
    const outcome: CommandOutcome<ExperimentsEvent, ExperimentsRejection> = await this.log.handle(EXPERIMENTS, command, metadata);
    if (outcome.kind === 'accepted') {
      const value = { experimentId: outcome.event.data.experimentId, created: true, changedHere: [], refused: [] };
      return { kind: 'written', value, positions: [outcome.position] };
    }
    const existing = this.view.experimentNamed(command.name);
    // Another one of that server, which had the name once: the runs of two experiments are not to be mixed.
    if (existing && existing.imported?.origin !== origin) {
      return { kind: 'written', value: { experimentId: existing.id, created: false, changedHere: [], refused: [] }, positions: [] };
    }
    if (outcome.kind === 'rejected') return outcome;
    throw new TypeError(`command ${metadata.commandId} was not the import of an experiment`);
  }

  /** The last step of bringing what is deleted there, after everything in it. What was restored here since is left. */
  deleteExperiment(experimentId: string, origin: string, metadata: CommandMetadata): Promise<Written> {
    return this.#catalog({ type: 'DeleteExperiment', experimentId, importedFrom: origin }, metadata);
  }

  async deleteRun(runId: string, origin: string, metadata: CommandMetadata): Promise<Written> {
    const command: RunCommand = { type: 'DeleteRun', importedFrom: origin };
    const outcome: CommandOutcome<RunEvent, RunRejection> = await this.log.handle(`run/${runId}`, command, metadata);
    return outcome.kind === 'rejected' ? outcome : { kind: 'written', value: undefined, positions: [outcome.position] };
  }

  async run(imported: ImportedRun, metadata: CommandMetadata): Promise<Written<BroughtRun>> {
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
    const steps = this.#steps(imported, experiment.artifactLocation, existing);
    // Deleting is the last step of bringing a run. A deleted one is restored for what is to be changed in it, but not if people have deleted it here.
    const isDone = imported.deleted && steps.every(([step]) => step === 'restore' || step === 'datasets');
    if (existing?.deleted && (isDone || existing.changedHere?.has('lifecycle_stage'))) {
      return { kind: 'written', value: { run: existing, created: false }, positions: [] };
    }
    const positions: Position[] = [];
    for (const [step, command] of steps) {
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

  /** What is missing of the run, in order, and what was changed there and not here. Params, datasets and links to models are only ever added. */
  #steps(imported: ImportedRun, artifactLocation: string, existing: Run | undefined): [step: string, command: RunCommand][] {
    const { runId, experimentId, name, userId, startTime, status, endTime, origin } = imported;
    const steps: [string, RunCommand][] = [];
    const tags = [...imported.tags, { key: IMPORTED_FROM_TAG, value: origin }];
    const isChangedHere = (what: string): boolean => existing?.changedHere?.has(what) ?? false;
    if (!existing) {
      const artifactUri = `${artifactLocation.replace(/\/+$/, '')}/${runId}/artifacts`;
      steps.push(['create', { type: 'CreateRun', runId, experimentId, name, userId, startTime, artifactUri, tags }]);
    }
    if (existing?.deleted) steps.push(['restore', { type: 'RestoreRun', importedFrom: origin }]);
    const params = imported.params.filter(({ key }) => !existing?.params.has(key));
    const others = existing
      ? tags.filter(({ key, value }) => key !== RUN_NAME_TAG && existing.tags.get(key) !== value && !isChangedHere(`tag:${key}`))
      : [];
    if (params.length + others.length > 0) steps.push(['annotate', { type: 'AnnotateRun', params, tags: others, importedFrom: origin }]);
    if (imported.datasets.length > 0) steps.push(['datasets', { type: 'LogDatasets', inputs: imported.datasets }]);
    const inputs = imported.modelInputs.filter((modelId) => !existing?.models?.inputs.includes(modelId));
    const outputs = imported.modelOutputs.filter(
      ({ modelId, step }) => !existing?.models?.outputs.some((one) => one.modelId === modelId && one.step === step),
    );
    if (inputs.length + outputs.length > 0) steps.push(['models', { type: 'LinkModels', inputs, outputs }]);
    const isUnfinished = existing?.status === 'RUNNING' && existing.endTime === null;
    const ended = !existing || isUnfinished || !isChangedHere('status') ? { status, endTime } : { status: null, endTime: null };
    const renamed = existing && name !== '' && !isChangedHere('run_name') ? name : null;
    const isEnded = ended.status !== null && (ended.status !== existing?.status || (endTime !== null && endTime !== existing.endTime));
    if (isEnded || (renamed !== null && renamed !== existing?.name)) {
      steps.push(['finish', { type: 'UpdateRun', ...ended, name: renamed, importedFrom: origin }]);
    }
    return steps;
  }

  #broughtFrom(origin: string, experimentId: string): Experiment | undefined {
    for (const experiment of this.view.experiments().byId.values()) {
      if (experiment.imported?.origin === origin && experiment.imported.experimentId === experimentId) return experiment;
    }
    return undefined;
  }

  /** Renames and restores what was renamed and restored there, unless somebody has done so here. */
  async #followed(
    { id: experimentId, name: nameHere, deleted: isDeletedHere, imported }: Experiment,
    name: string,
    deleted: boolean,
    importedFrom: string,
    metadata: CommandMetadata,
  ): Promise<Written<ReceivingExperiment>> {
    const changedHere: string[] = [...(imported?.changedHere ?? [])];
    const steps: [string, ExperimentsCommand][] = [];
    const isDeletedByPeople = isDeletedHere && changedHere.includes('lifecycle_stage');
    // Nothing can be renamed that is deleted; what is deleted there is deleted again in the last step.
    if (isDeletedByPeople) changedHere.push('name');
    const isToBeRenamed = name !== nameHere && !changedHere.includes('name');
    const isToBeRestored = isDeletedHere && !isDeletedByPeople && (!deleted || isToBeRenamed);
    if (isToBeRestored) steps.push(['restore', { type: 'RestoreExperiment', experimentId, importedFrom }]);
    if (isToBeRenamed) steps.push(['rename', { type: 'RenameExperiment', experimentId, name, importedFrom }]);
    const [positions, refused]: [Position[], string[]] = [[], []];
    for (const [step, command] of steps) {
      const written = await this.#catalog(command, { ...metadata, commandId: this.ids.derived(metadata.commandId, step) });
      if (written.kind === 'rejected') refused.push(written.rejection.message);
      else positions.push(...written.positions);
    }
    return { kind: 'written', value: { experimentId, created: false, changedHere, refused }, positions };
  }

  async #catalog(command: ExperimentsCommand, metadata: CommandMetadata): Promise<Written> {
    const outcome: CommandOutcome<ExperimentsEvent, ExperimentsRejection> = await this.log.handle(EXPERIMENTS, command, metadata);
    return outcome.kind === 'rejected' ? outcome : { kind: 'written', value: undefined, positions: [outcome.position] };
  }
}
