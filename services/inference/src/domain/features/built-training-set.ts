import type { AnyDecider, Event } from '@millrace/kernel';

/** The gateway's own fold of the features' decisions: just where a training set lies once it is built. */
export interface BuiltTrainingSet {
  readonly status: 'absent' | 'requested' | 'built' | 'failed';
  readonly path: string;
  /** Of the file, in lower-case hex. */
  readonly sha256: string;
}

type TrainingSetEvent =
  | Event<'TrainingSetRequested', unknown>
  | Event<'TrainingSetBuilt', { readonly path: string; readonly sha256: string }>
  | Event<'TrainingSetFailed', unknown>;

export function trainingSetSubject(id: string): string {
  return `training-set/${id}`;
}

const NOWHERE = { path: '', sha256: '' };

/** Nothing is ever decided here. */
export const trainingSetReaders: Readonly<Record<'training-set', AnyDecider>> = {
  'training-set': {
    initial: (): BuiltTrainingSet => ({ status: 'absent', ...NOWHERE }),
    evolve: (state: BuiltTrainingSet, event: TrainingSetEvent): BuiltTrainingSet => {
      switch (event.type) {
        case 'TrainingSetRequested':
          return { status: 'requested', ...NOWHERE };
        case 'TrainingSetBuilt':
          return { status: 'built', path: event.data.path, sha256: event.data.sha256 };
        case 'TrainingSetFailed':
          return { status: 'failed', ...NOWHERE };
      }
    },
    decide: () => ({ kind: 'unchanged' }),
  },
};
