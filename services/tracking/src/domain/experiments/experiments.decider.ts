import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { ExperimentsEvent, ImportedExperiment } from './experiments.events.js';
import { followed, type Followed } from '../followed.js';

export const EXPERIMENTS = 'experiments/catalog';
export const DEFAULT_EXPERIMENT_ID = '0';
const DEFAULT_EXPERIMENT_NAME = 'Default';

export interface Experiment {
  readonly id: string;
  name: string;
  readonly artifactLocation: string;
  deleted: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  readonly tags: Map<string, string>;
  /** Of one that was brought from another server: its id there, and whether its name or deletion was changed here since. */
  readonly imported?: { readonly origin: string; readonly experimentId: string; changedHere?: Set<'name' | 'lifecycle_stage'> };
}

/** Every experiment there ever was. */
export interface Experiments {
  readonly byId: Map<string, Experiment>;
  readonly idOfName: Map<string, string>;
  nextId: number;
}

export type ExperimentsCommand =
  | (Command<'OpenDefaultExperiment'> & { readonly artifactRoot: string })
  | (Command<'CreateExperiment'> & {
      readonly name: string;
      /** `null`: below `artifactRoot`, by the experiment's id. */
      readonly artifactLocation: string | null;
      readonly artifactRoot: string;
      readonly tags: Readonly<Record<string, string>>;
      /** Of an experiment that is brought from another server. */
      readonly imported?: ImportedExperiment;
    })
  | (Command<'RenameExperiment'> & Followed & { readonly experimentId: string; readonly name: string })
  | (Command<'DeleteExperiment'> & Followed & { readonly experimentId: string })
  | (Command<'RestoreExperiment'> & Followed & { readonly experimentId: string })
  | (Command<'PurgeExperiment'> & { readonly experimentId: string })
  | (Command<'TagExperiment'> & { readonly experimentId: string; readonly key: string; readonly value: string })
  | (Command<'UntagExperiment'> & { readonly experimentId: string; readonly key: string });

export type ExperimentsRejection = Rejection<
  | 'MR_TRACKING_EXPERIMENT_NAME_TAKEN'
  | 'MR_TRACKING_EXPERIMENT_NOT_FOUND'
  | 'MR_TRACKING_EXPERIMENT_NOT_ACTIVE'
  | 'MR_TRACKING_EXPERIMENT_TAG_NOT_FOUND'
  | 'MR_TRACKING_EXPERIMENT_NOT_DELETED'
>;

type ExperimentsDecision = Decision<ExperimentsEvent, ExperimentsRejection>;

/** The catalog of experiments: a name belongs to one experiment, also while that is deleted. */
export const experiments: Decider<Experiments, ExperimentsCommand, ExperimentsEvent, ExperimentsRejection> = {
  initial: () => ({ byId: new Map(), idOfName: new Map(), nextId: 1 }),

  evolve(state, event, { time }) {
    if (event.type === 'ExperimentCreated') {
      const { experimentId: id, name, artifactLocation, tags, imported } = event.data;
      const [createdAt, updatedAt] = [imported?.createdAt ?? time, imported?.updatedAt ?? time];
      const experiment = { id, name, artifactLocation, deleted: false, createdAt, updatedAt };
      const from = imported ? { imported: { origin: imported.origin, experimentId: imported.experimentId } } : {};
      state.byId.set(id, { ...experiment, tags: new Map(Object.entries(tags)), ...from });
      state.idOfName.set(name, id);
      state.nextId = Math.max(state.nextId, Number(id) + 1);
      return state;
    }
    const experiment = state.byId.get(event.data.experimentId);
    // Cannot be: the decider names only experiments that exist. An unknown one must not stop the fold.
    if (!experiment) return state;
    experiment.updatedAt = time;
    noteChangeHere(experiment, event);
    switch (event.type) {
      case 'ExperimentRenamed':
        state.idOfName.delete(event.data.from);
        state.idOfName.set(event.data.to, experiment.id);
        experiment.name = event.data.to;
        return state;
      case 'ExperimentDeleted':
        experiment.deleted = true;
        return state;
      case 'ExperimentRestored':
        experiment.deleted = false;
        return state;
      case 'ExperimentPurged':
        state.byId.delete(experiment.id);
        state.idOfName.delete(experiment.name);
        return state;
      case 'ExperimentTagged':
        experiment.tags.set(event.data.key, event.data.value);
        return state;
      case 'ExperimentUntagged':
        experiment.tags.delete(event.data.key);
        return state;
    }
  },

  decide(command, state): ExperimentsDecision {
    switch (command.type) {
      case 'OpenDefaultExperiment': {
        if (state.byId.has(DEFAULT_EXPERIMENT_ID)) return unchanged;
        if (state.idOfName.has(DEFAULT_EXPERIMENT_NAME)) return nameTaken(DEFAULT_EXPERIMENT_NAME);
        const artifactLocation = `${command.artifactRoot}/${DEFAULT_EXPERIMENT_ID}`;
        return accept('ExperimentCreated', {
          experimentId: DEFAULT_EXPERIMENT_ID,
          name: DEFAULT_EXPERIMENT_NAME,
          artifactLocation,
          tags: {},
        });
      }
      case 'CreateExperiment': {
        const { name, artifactRoot, tags, imported } = command;
        if (state.idOfName.has(name)) return nameTaken(name);
        const experimentId = imported && isFree(imported.experimentId, state) ? imported.experimentId : String(state.nextId);
        const artifactLocation = command.artifactLocation ?? `${artifactRoot}/${experimentId}`;
        return accept('ExperimentCreated', { experimentId, name, artifactLocation, tags, ...(imported ? { imported } : {}) });
      }
      default:
        return decideOnOne(command, state);
    }
  },
};

function decideOnOne(
  command: Exclude<ExperimentsCommand, { type: 'OpenDefaultExperiment' | 'CreateExperiment' }>,
  state: Experiments,
): ExperimentsDecision {
  const { experimentId } = command;
  const experiment = state.byId.get(experimentId);
  if (!experiment) return notFound(experimentId);
  switch (command.type) {
    case 'RenameExperiment':
      if (experiment.deleted)
        return reject('MR_TRACKING_EXPERIMENT_NOT_ACTIVE', 'Cannot rename a non-active experiment.', { experimentId });
      if (experiment.name === command.name) return unchanged;
      if (state.idOfName.has(command.name)) return nameTaken(command.name);
      return accept('ExperimentRenamed', { experimentId, from: experiment.name, to: command.name, ...followed(command) });
    case 'DeleteExperiment':
      return experiment.deleted ? notFound(experimentId) : accept('ExperimentDeleted', { experimentId, ...followed(command) });
    case 'RestoreExperiment':
      return experiment.deleted ? accept('ExperimentRestored', { experimentId, ...followed(command) }) : notFound(experimentId);
    case 'PurgeExperiment':
      // Clients log into it without asking whether it is there, so it is kept, deleted as it is.
      if (experiment.deleted && experimentId !== DEFAULT_EXPERIMENT_ID) return accept('ExperimentPurged', { experimentId });
      return reject('MR_TRACKING_EXPERIMENT_NOT_DELETED', `Experiment ${experimentId} is not in the 'deleted' state; delete it first.`, {
        experimentId,
      });
    case 'TagExperiment': {
      if (experiment.deleted) return notActive(experimentId);
      const { key, value } = command;
      return experiment.tags.get(key) === value ? unchanged : accept('ExperimentTagged', { experimentId, key, value });
    }
    case 'UntagExperiment':
      if (experiment.deleted) return notActive(experimentId);
      if (!experiment.tags.has(command.key)) {
        const message = `No tag with name: ${command.key} in experiment with id ${experimentId}`;
        return reject('MR_TRACKING_EXPERIMENT_TAG_NOT_FOUND', message, { experimentId });
      }
      return accept('ExperimentUntagged', { experimentId, key: command.key });
  }
}

/** A later import leaves alone what people have changed here. */
function noteChangeHere({ imported }: Experiment, { type, data }: ExperimentsEvent): void {
  if (!imported || ('importedFrom' in data && data.importedFrom !== undefined)) return;
  const change = type === 'ExperimentRenamed' ? 'name' : LIFECYCLE.has(type) ? 'lifecycle_stage' : undefined;
  if (change) (imported.changedHere ??= new Set()).add(change);
}

const LIFECYCLE: ReadonlySet<ExperimentsEvent['type']> = new Set(['ExperimentDeleted', 'ExperimentRestored']);

/** Ids count up, so one that a double cannot count on from is not taken over (servers of MLflow may give out 18 digits). */
function isFree(experimentId: string, state: Experiments): boolean {
  return /^[1-9]\d{0,14}$/.test(experimentId) && !state.byId.has(experimentId);
}

function nameTaken(name: string): ExperimentsDecision {
  return reject('MR_TRACKING_EXPERIMENT_NAME_TAKEN', `Experiment(name=${name}) already exists.`, { name });
}

function notActive(experimentId: string): ExperimentsDecision {
  const message = `The experiment ${experimentId} must be in the 'active' state. Current state is deleted.`;
  return reject('MR_TRACKING_EXPERIMENT_NOT_ACTIVE', message, { experimentId });
}

function notFound(experimentId: string): ExperimentsDecision {
  return reject('MR_TRACKING_EXPERIMENT_NOT_FOUND', `No Experiment with id=${experimentId} exists`, { experimentId });
}
