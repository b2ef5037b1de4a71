import type { CommandMetadata, CommandOutcome, Ids, Position } from '@millrace/kernel';
import {
  LOGGED_MODEL,
  type LoggedModel,
  type LoggedModelCommand,
  type LoggedModelRejection,
} from '../domain/logged-model/logged-model.decider.js';
import type { LoggedModelEvent, LoggedModelStatus } from '../domain/logged-model/logged-model.events.js';
import { IMPORTED_FROM_TAG, type KeyValue } from '../domain/run/run.decider.js';
import type { LoggedModelsView } from '../queries/logged-models-view.js';
import type { TrackingView } from '../queries/tracking-view.js';
import type { LoggedModelWriter, LoggedModelWritten } from './logged-model-commands.js';

export interface ImportedModel {
  readonly modelId: string;
  readonly experimentId: string;
  readonly name: string;
  readonly modelType: string | null;
  readonly sourceRunId: string | null;
  readonly status: LoggedModelStatus;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly params: readonly KeyValue[];
  readonly tags: readonly KeyValue[];
  readonly origin: string;
}

/** How the import of one logged model ended. */
export type BroughtModel =
  | { readonly kind: 'written'; readonly model: LoggedModel; readonly created: boolean; readonly positions: readonly Position[] }
  | Extract<LoggedModelWritten, { kind: 'rejected' }>;

/**
 * Brings logged models of another server, under their own ids and times. Every step finds what an earlier attempt has done, and follows
 * what was changed there since. What people have changed here stays as they left it, and one that they have deleted here stays deleted.
 */
export class LoggedModelImports {
  constructor(
    private readonly log: LoggedModelWriter,
    private readonly view: TrackingView,
    private readonly models: LoggedModelsView,
    private readonly ids: Ids,
  ) {}

  /** Also into an experiment that is deleted: a first attempt may have been ended after that. */
  async model(imported: ImportedModel, metadata: CommandMetadata): Promise<BroughtModel> {
    const { modelId, experimentId, origin } = imported;
    await Promise.all([this.view.upToDate(), this.models.upToDate()]);
    const experiment = this.view.experiment(experimentId);
    if (!experiment) {
      const message = `No Experiment with id=${experimentId} exists`;
      return { kind: 'rejected', rejection: { code: 'MR_TRACKING_EXPERIMENT_NOT_FOUND', message } };
    }
    const existing = this.models.anyModel(modelId);
    if (existing && (existing.imported?.origin !== origin || existing.experimentId !== experimentId)) {
      const message = `Logged model with ID '${modelId}' already exists, and was not brought from ${origin} into experiment ${experimentId}`;
      return { kind: 'rejected', rejection: { code: 'MR_TRACKING_LOGGED_MODEL_EXISTS', message } };
    }
    if (existing?.deleted) return { kind: 'written', model: existing, created: false, positions: [] };
    const positions: Position[] = [];
    for (const [step, command] of existing ? followingSteps(imported, existing) : [creation(imported, experiment.artifactLocation)]) {
      const one = { ...metadata, commandId: this.ids.derived(metadata.commandId, step) };
      const outcome: CommandOutcome<LoggedModelEvent, LoggedModelRejection> = await this.log.handle(
        `${LOGGED_MODEL}/${modelId}`,
        command,
        one,
      );
      if (outcome.kind === 'rejected') return outcome;
      positions.push(outcome.position);
    }
    return { kind: 'written', model: this.models.anyModel(modelId) as LoggedModel, created: !existing, positions };
  }
}

type Step = readonly [step: string, command: LoggedModelCommand];

function creation(imported: ImportedModel, artifactLocation: string): Step {
  const { modelId, experimentId, name, modelType, sourceRunId, params, status, createdAt, updatedAt, origin } = imported;
  const artifactUri = `${artifactLocation.replace(/\/+$/, '')}/models/${modelId}/artifacts`;
  const model = { modelId, experimentId, name, modelType, sourceRunId, artifactUri, params, tags: tagsOf(imported) };
  return ['create', { type: 'CreateLoggedModel', ...model, imported: { origin, createdAt, updatedAt, status } }];
}

/** What was changed there and not here. Params are only ever added. */
function followingSteps(imported: ImportedModel, existing: LoggedModel): Step[] {
  const { status, origin: importedFrom } = imported;
  const isChangedHere = (what: string): boolean => existing.changedHere?.has(what) ?? false;
  const steps: Step[] = [];
  const params = imported.params.filter(({ key }) => !existing.params.has(key));
  if (params.length > 0) steps.push(['params', { type: 'LogLoggedModelParams', params }]);
  const tags = tagsOf(imported).filter(({ key, value }) => existing.tags.get(key) !== value && !isChangedHere(`tag:${key}`));
  if (tags.length > 0) steps.push(['tags', { type: 'TagLoggedModel', tags, importedFrom }]);
  if (status !== 'PENDING' && status !== existing.status && !isChangedHere('status')) {
    steps.push(['finalize', { type: 'FinalizeLoggedModel', status, importedFrom }]);
  }
  return steps;
}

function tagsOf({ tags, origin }: ImportedModel): KeyValue[] {
  return [...tags, { key: IMPORTED_FROM_TAG, value: origin }];
}
