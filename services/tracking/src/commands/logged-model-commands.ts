import type { CommandMetadata, CommandOutcome, Event, Ids, Position, Rejection } from '@millrace/kernel';
import { LOGGED_MODEL, type LoggedModelCommand, type LoggedModelRejection } from '../domain/logged-model/logged-model.decider.js';
import type { LoggedModelEvent } from '../domain/logged-model/logged-model.events.js';
import { runNameOf } from '../domain/run/run-name.js';
import type { KeyValue } from '../domain/run/run.decider.js';
import type { LoggedModelsView } from '../queries/logged-models-view.js';
import type { TrackingView } from '../queries/tracking-view.js';

/** The write path, as far as logged models need it. */
export interface LoggedModelWriter {
  handle<E extends Event, R extends Rejection>(
    subject: string,
    command: LoggedModelCommand,
    metadata: CommandMetadata,
  ): Promise<CommandOutcome<E, R>>;
}

export interface NewLoggedModel {
  readonly experimentId: string;
  readonly name: string | undefined;
  readonly modelType: string | null;
  readonly sourceRunId: string | null;
  readonly params: readonly KeyValue[];
  readonly tags: readonly KeyValue[];
}

type Refusal = LoggedModelRejection | Rejection<'MR_TRACKING_EXPERIMENT_NOT_FOUND' | 'MR_TRACKING_EXPERIMENT_NOT_ACTIVE'>;

export type LoggedModelWritten =
  | { readonly kind: 'written'; readonly modelId: string; readonly positions: readonly Position[] }
  | { readonly kind: 'rejected'; readonly rejection: Refusal };

/** What a client may do to logged models. */
export class LoggedModelCommands {
  constructor(
    private readonly log: LoggedModelWriter,
    private readonly view: TrackingView,
    private readonly models: LoggedModelsView,
    private readonly ids: Ids,
  ) {}

  /** Its id is derived from the command's, so a repeated command finds the first model. */
  async create(wanted: NewLoggedModel, metadata: CommandMetadata): Promise<LoggedModelWritten> {
    const { experimentId, modelType, sourceRunId, params, tags } = wanted;
    if (!this.view.experiment(experimentId)) await this.view.upToDate();
    const experiment = this.view.experiment(experimentId);
    if (!experiment) {
      const message = `No Experiment with id=${experimentId} exists`;
      return { kind: 'rejected', rejection: { code: 'MR_TRACKING_EXPERIMENT_NOT_FOUND', message } };
    }
    if (experiment.deleted) {
      const message = `The experiment ${experimentId} must be in the 'active' state. Current state is deleted.`;
      return { kind: 'rejected', rejection: { code: 'MR_TRACKING_EXPERIMENT_NOT_ACTIVE', message } };
    }
    const key = this.ids.derived(metadata.commandId, 'logged-model');
    const modelId = `m-${key}`;
    const artifactUri = `${experiment.artifactLocation.replace(/\/+$/, '')}/models/${modelId}/artifacts`;
    const name = wanted.name || runNameOf(key);
    const command = { type: 'CreateLoggedModel', modelId, experimentId, name, modelType, sourceRunId, artifactUri, params, tags } as const;
    return this.#handle(modelId, command, metadata);
  }

  /** Any change of one model. */
  async change(modelId: string, command: LoggedModelCommand, metadata: CommandMetadata): Promise<LoggedModelWritten> {
    if (!this.models.model(modelId)) await this.models.upToDate();
    return this.#handle(modelId, command, metadata);
  }

  async #handle(modelId: string, command: LoggedModelCommand, metadata: CommandMetadata): Promise<LoggedModelWritten> {
    const subject = `${LOGGED_MODEL}/${modelId}`;
    const outcome = await this.log.handle<LoggedModelEvent, LoggedModelRejection>(subject, command, metadata);
    return outcome.kind === 'rejected' ? outcome : { kind: 'written', modelId, positions: [outcome.position] };
  }
}
