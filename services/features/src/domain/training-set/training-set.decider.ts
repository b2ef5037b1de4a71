import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { TrainingSetBuilt, TrainingSetEvent, TrainingSetFailed, TrainingSetRequested } from './training-set.events.js';

export const TRAINING_SET = 'training-set';

/** A training set's id says what is in it, so asking for it twice is asking for one thing. */
export function trainingSetSubject(id: string): string {
  return `${TRAINING_SET}/${id}`;
}

export type TrainingSetState =
  | { readonly status: 'absent' }
  | { readonly status: 'requested'; readonly request: TrainingSetRequested; readonly requestedAt: number }
  | {
      readonly status: 'built';
      readonly request: TrainingSetRequested;
      readonly requestedAt: number;
      readonly result: TrainingSetBuilt;
      readonly builtAt: number;
    }
  | {
      readonly status: 'failed';
      readonly request: TrainingSetRequested;
      readonly requestedAt: number;
      readonly failure: TrainingSetFailed;
    };

export type TrainingSetCommand =
  | (Command<'RequestTrainingSet'> & { readonly request: TrainingSetRequested })
  | (Command<'CompleteTrainingSet'> & { readonly result: TrainingSetBuilt })
  | (Command<'FailTrainingSet'> & { readonly failure: TrainingSetFailed });

export type TrainingSetRejection = Rejection<'MR_FEATURES_TRAINING_SET_NOT_FOUND' | 'MR_FEATURES_TRAINING_SET_DIFFERS'>;

type TrainingSetDecision = Decision<TrainingSetEvent, TrainingSetRejection>;

/** A training set: requested, then built once for all, or failed and requested again. */
export const trainingSet: Decider<TrainingSetState, TrainingSetCommand, TrainingSetEvent, TrainingSetRejection> = {
  initial: () => ({ status: 'absent' }),

  evolve: (state, event, { time }) => {
    switch (event.type) {
      case 'TrainingSetRequested':
        return { status: 'requested', request: event.data, requestedAt: time };
      case 'TrainingSetBuilt':
        if (state.status === 'absent') return state;
        return { status: 'built', request: state.request, requestedAt: state.requestedAt, result: event.data, builtAt: time };
      case 'TrainingSetFailed':
        if (state.status === 'absent') return state;
        return { status: 'failed', request: state.request, requestedAt: state.requestedAt, failure: event.data };
    }
  },

  decide: (command, state): TrainingSetDecision => {
    switch (command.type) {
      case 'RequestTrainingSet':
        return state.status === 'absent' || state.status === 'failed' ? accept('TrainingSetRequested', command.request) : unchanged;
      case 'CompleteTrainingSet':
        return complete(command.result, state);
      case 'FailTrainingSet':
        if (state.status === 'absent') return notFound();
        // Another process may have built it meanwhile; what is built stays built.
        return state.status === 'requested' ? accept('TrainingSetFailed', command.failure) : unchanged;
    }
  },
};

function complete(result: TrainingSetBuilt, state: TrainingSetState): TrainingSetDecision {
  if (state.status === 'absent') return notFound();
  if (state.status !== 'built') return accept('TrainingSetBuilt', result);
  if (state.result.sha256 === result.sha256) return unchanged;
  return reject(
    'MR_FEATURES_TRAINING_SET_DIFFERS',
    `training set ${state.request.trainingSetId} was built as ${state.result.sha256} and now came out as ${result.sha256}`,
  );
}

function notFound(): TrainingSetDecision {
  return reject('MR_FEATURES_TRAINING_SET_NOT_FOUND', 'there is no such training set');
}
