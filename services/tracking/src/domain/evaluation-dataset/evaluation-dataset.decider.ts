import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { EvaluationDatasetCreated, EvaluationDatasetEvent } from './evaluation-dataset.events.js';

export const EVALUATION_DATASET = 'evaluation-dataset';
/** Who asks for a dataset gets all of them with it. */
const MOST_EXPERIMENTS = 1000;
const MOST_TAGS = 1000;

export interface EvaluationDataset extends Omit<EvaluationDatasetCreated, 'experimentIds' | 'tags'> {
  readonly experimentIds: Set<string>;
  readonly tags: Map<string, string>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  readonly createdBy: string;
  updatedBy: string;
  deleted: boolean;
}

/** `null` until it is created. */
export type EvaluationDatasetState = EvaluationDataset | null;

export type EvaluationDatasetCommand =
  | (Command<'CreateEvaluationDataset'> & EvaluationDatasetCreated)
  | (Command<'TagEvaluationDataset'> & { readonly tags: Readonly<Record<string, string>> })
  | (Command<'UntagEvaluationDataset'> & { readonly key: string })
  | (Command<'LinkEvaluationDataset'> & { readonly experimentIds: readonly string[] })
  | (Command<'UnlinkEvaluationDataset'> & { readonly experimentIds: readonly string[] })
  | Command<'DeleteEvaluationDataset'>;

export type EvaluationDatasetRejection = Rejection<
  'MR_TRACKING_EVALUATION_DATASET_NOT_FOUND' | 'MR_TRACKING_EVALUATION_DATASET_EXISTS' | 'MR_TRACKING_EVALUATION_DATASET_FULL'
>;

type EvaluationDatasetDecision = Decision<EvaluationDatasetEvent, EvaluationDatasetRejection>;

/** One evaluation dataset: what it is called, tagged and belongs to. What is in it is told by facts. */
export const evaluationDataset: Decider<
  EvaluationDatasetState,
  EvaluationDatasetCommand,
  EvaluationDatasetEvent,
  EvaluationDatasetRejection
> = {
  initial: () => null,

  evolve(state, event, { time, actor }) {
    if (event.type === 'EvaluationDatasetCreated') {
      const { experimentIds, tags, ...created } = event.data;
      return {
        ...{ ...created, experimentIds: new Set(experimentIds), tags: new Map(Object.entries(tags)), deleted: false },
        ...{ createdAt: time, updatedAt: time, createdBy: actor, updatedBy: actor },
      };
    }
    // Cannot be: the decider gives an absent dataset no other event. It must not stop the fold.
    if (!state) return null;
    state.updatedAt = time;
    state.updatedBy = actor;
    switch (event.type) {
      case 'EvaluationDatasetTagged':
        for (const [key, value] of Object.entries(event.data.tags)) state.tags.set(key, value);
        return state;
      case 'EvaluationDatasetUntagged':
        state.tags.delete(event.data.key);
        return state;
      case 'EvaluationDatasetLinked':
        for (const id of event.data.experimentIds) state.experimentIds.add(id);
        return state;
      case 'EvaluationDatasetUnlinked':
        for (const id of event.data.experimentIds) state.experimentIds.delete(id);
        return state;
      case 'EvaluationDatasetDeleted':
        state.deleted = true;
        return state;
    }
  },

  decide(command, state, { subject }): EvaluationDatasetDecision {
    const datasetId = subject.slice(subject.indexOf('/') + 1);
    if (command.type === 'CreateEvaluationDataset') {
      const { type: _, ...created } = command;
      if (state) {
        return reject('MR_TRACKING_EVALUATION_DATASET_EXISTS', `Evaluation dataset with id '${datasetId}' already exists.`, { datasetId });
      }
      return (
        bounded(datasetId, created.experimentIds.length, Object.keys(created.tags).length) ?? accept('EvaluationDatasetCreated', created)
      );
    }
    if (!state || state.deleted) {
      return reject('MR_TRACKING_EVALUATION_DATASET_NOT_FOUND', `Evaluation dataset with id '${datasetId}' not found.`, { datasetId });
    }
    switch (command.type) {
      case 'TagEvaluationDataset': {
        const changed = Object.entries(command.tags).filter(([key, value]) => state.tags.get(key) !== value);
        if (changed.length === 0) return unchanged;
        const added = changed.filter(([key]) => !state.tags.has(key)).length;
        return bounded(datasetId, 0, state.tags.size + added) ?? accept('EvaluationDatasetTagged', { tags: Object.fromEntries(changed) });
      }
      case 'UntagEvaluationDataset':
        // MLflow's own server takes no offence at a tag that is not there.
        return state.tags.has(command.key) ? accept('EvaluationDatasetUntagged', { key: command.key }) : unchanged;
      case 'LinkEvaluationDataset': {
        const experimentIds = [...new Set(command.experimentIds)].filter((id) => !state.experimentIds.has(id));
        if (experimentIds.length === 0) return unchanged;
        const total = state.experimentIds.size + experimentIds.length;
        return bounded(datasetId, total, 0) ?? accept('EvaluationDatasetLinked', { experimentIds });
      }
      case 'UnlinkEvaluationDataset': {
        const experimentIds = [...new Set(command.experimentIds)].filter((id) => state.experimentIds.has(id));
        return experimentIds.length === 0 ? unchanged : accept('EvaluationDatasetUnlinked', { experimentIds });
      }
      case 'DeleteEvaluationDataset':
        return accept('EvaluationDatasetDeleted', {});
    }
  },
};

function bounded(datasetId: string, experiments: number, tags: number): EvaluationDatasetDecision | undefined {
  const over = experiments > MOST_EXPERIMENTS ? `${MOST_EXPERIMENTS} experiments` : tags > MOST_TAGS ? `${MOST_TAGS} tags` : undefined;
  return over === undefined
    ? undefined
    : reject('MR_TRACKING_EVALUATION_DATASET_FULL', `Evaluation dataset '${datasetId}' can have at most ${over}.`, { datasetId });
}
