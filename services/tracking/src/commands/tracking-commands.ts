import type { CommandMetadata, CommandOutcome, Event, Ids, Position, Rejection } from '@millrace/kernel';
import {
  DEFAULT_EXPERIMENT_ID,
  EXPERIMENTS,
  type ExperimentsCommand,
  type ExperimentsRejection,
} from '../domain/experiments/experiments.decider.js';
import type { ExperimentsEvent } from '../domain/experiments/experiments.events.js';
import { toWire, type MetricPoint, type MetricPointsLogged } from '../domain/metric-points/metric-points.js';
import { notActive, RUN_NAME_TAG, type KeyValue, type Run, type RunCommand, type RunRejection } from '../domain/run/run.decider.js';
import type { RunCreated, RunEvent } from '../domain/run/run.events.js';
import { runNameOf } from '../domain/run/run-name.js';
import type { TrackingView } from '../queries/tracking-view.js';

/** The domain's write path. */
export interface DecisionWriter {
  handle<E extends Event, R extends Rejection>(
    subject: string,
    command: RunCommand | ExperimentsCommand,
    metadata: CommandMetadata,
  ): Promise<CommandOutcome<E, R>>;
}

/** Appends a batch of metric points and resolves when it is durable. */
export type AppendMetricPoints = (batch: MetricPointsLogged, id: string, traceparent: string | undefined) => Promise<readonly Position[]>;

export type TrackingRejection = RunRejection | ExperimentsRejection | Rejection<'MR_TRACKING_RUN_NAMES_DIFFER'>;

/** How a write ended. `positions` are what a later read may pass as `at-least`. */
export type Written<T = undefined> =
  | { readonly kind: 'written'; readonly value: T; readonly positions: readonly Position[] }
  | { readonly kind: 'rejected'; readonly rejection: TrackingRejection };

export interface NewRun {
  readonly experimentId: string | undefined;
  readonly name: string | undefined;
  readonly userId: string;
  readonly startTime: number;
  readonly tags: readonly KeyValue[];
}

export interface RunBatch {
  readonly metrics: readonly MetricPoint[];
  readonly params: readonly KeyValue[];
  readonly tags: readonly KeyValue[];
}

/** What a client may do to experiments and runs, where it takes more than one subject or topic. */
export class TrackingCommands {
  constructor(
    private readonly log: DecisionWriter,
    private readonly view: TrackingView,
    private readonly append: AppendMetricPoints,
    private readonly ids: Ids,
  ) {}

  async experiments(command: ExperimentsCommand, metadata: CommandMetadata): Promise<Written<ExperimentsEvent | undefined>> {
    return written(await this.log.handle<ExperimentsEvent, ExperimentsRejection>(EXPERIMENTS, command, metadata));
  }

  /** Creates a run in an active experiment. Its id is derived from the command's, so a repeated command finds the first run. */
  async createRun(wanted: NewRun, metadata: CommandMetadata): Promise<Written<RunCreated>> {
    const experimentId = wanted.experimentId ?? DEFAULT_EXPERIMENT_ID;
    let experiment = this.view.experiment(experimentId);
    if (!experiment || experiment.deleted) {
      await this.view.upToDate();
      experiment = this.view.experiment(experimentId);
    }
    if (!experiment) return rejected('MR_TRACKING_EXPERIMENT_NOT_FOUND', `No Experiment with id=${experimentId} exists`);
    if (experiment.deleted) {
      const message = `The experiment ${experimentId} must be in the 'active' state. Current state is deleted.`;
      return rejected('MR_TRACKING_EXPERIMENT_NOT_ACTIVE', message);
    }
    const tagged = wanted.tags.findLast(({ key }) => key === RUN_NAME_TAG)?.value;
    if (wanted.name && tagged && wanted.name !== tagged) {
      const message = `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='${wanted.name}', mlflow.runName='${tagged}').`;
      return rejected('MR_TRACKING_RUN_NAMES_DIFFER', message);
    }
    const runId = this.ids.derived(metadata.commandId, 'run');
    const name = wanted.name || tagged || runNameOf(runId);
    const { userId, startTime, tags } = wanted;
    const artifactUri = `${experiment.artifactLocation.replace(/\/+$/, '')}/${runId}/artifacts`;
    const command: RunCommand = { type: 'CreateRun', runId, experimentId, name, userId, startTime, artifactUri, tags };
    const outcome = await this.log.handle<RunEvent, RunRejection>(`run/${runId}`, command, metadata);
    if (outcome.kind === 'accepted' && outcome.event.type === 'RunCreated') {
      return { kind: 'written', value: outcome.event.data, positions: [outcome.position] };
    }
    return outcome.kind === 'rejected' ? outcome : rejected('MR_TRACKING_RUN_EXISTS', `Run with id=${runId} already exists`);
  }

  /** Any change of one run that has no metric points. */
  async run(runId: string, command: RunCommand, metadata: CommandMetadata): Promise<Written> {
    if (command.type !== 'DeleteRun' && command.type !== 'RestoreRun' && command.type !== 'PurgeRun') {
      const refused = await this.#refuseInactive(runId);
      if (refused) return refused;
    }
    const outcome = written(await this.log.handle<RunEvent, RunRejection>(`run/${runId}`, command, metadata));
    return outcome.kind === 'rejected' ? outcome : { ...outcome, value: undefined };
  }

  /** Decides on params and tags first; points are appended only after that was allowed, so a refused batch leaves nothing behind. */
  async logBatch(runId: string, batch: RunBatch, metadata: CommandMetadata): Promise<Written> {
    const refused = await this.#refuseInactive(runId);
    if (refused) return refused;
    const positions: Position[] = [];
    if (batch.params.length > 0 || batch.tags.length > 0) {
      const { params, tags } = batch;
      const outcome = await this.log.handle<RunEvent, RunRejection>(`run/${runId}`, { type: 'AnnotateRun', params, tags }, metadata);
      if (outcome.kind === 'rejected') return outcome;
      positions.push(outcome.position);
    }
    if (batch.metrics.length > 0) {
      const { experimentId } = this.view.run(runId) as Run;
      const id = this.ids.derived(metadata.commandId, 'metric-points');
      const points = { runId, experimentId, points: batch.metrics.map(toWire) };
      positions.push(...(await this.append(points, id, metadata.traceparent)));
    }
    return { kind: 'written', value: undefined, positions };
  }

  /** A run that looks absent or deleted may only be so here: before refusing, this process reads to the log's end. */
  async #refuseInactive(runId: string): Promise<Written<never> | undefined> {
    const seen = this.view.run(runId);
    if (seen && this.view.isActive(seen)) return undefined;
    await this.view.upToDate();
    const run = this.view.run(runId);
    if (!run) return rejected('MR_TRACKING_RUN_NOT_FOUND', `Run with id=${runId} not found`);
    return this.view.isActive(run) ? undefined : { kind: 'rejected', rejection: notActive(runId).rejection };
  }
}

function written<E extends Event, R extends TrackingRejection>(outcome: CommandOutcome<E, R>): Written<E | undefined> {
  if (outcome.kind === 'rejected') return outcome;
  return { kind: 'written', value: outcome.kind === 'accepted' ? outcome.event : undefined, positions: [outcome.position] };
}

function rejected(code: TrackingRejection['code'], message: string): Written<never> {
  return { kind: 'rejected', rejection: { code, message } as TrackingRejection };
}
