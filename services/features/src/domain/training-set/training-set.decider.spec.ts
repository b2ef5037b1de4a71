import { describe, expect, test } from '@jest/globals';
import { trainingSet, type TrainingSetCommand, type TrainingSetState } from './training-set.decider.js';
import type { TrainingSetBuilt, TrainingSetEvent, TrainingSetRequested } from './training-set.events.js';

const request = { trainingSetId: 't', spine: { kind: 'sql', sql: 'SELECT 1', digest: 'd' } } as unknown as TrainingSetRequested;
const result: TrainingSetBuilt = { rows: 1, columns: [], bytes: 10, sha256: 'aa', path: 'training-sets/t/data.parquet' };
const requested: TrainingSetEvent = { type: 'TrainingSetRequested', data: request };
const built: TrainingSetEvent = { type: 'TrainingSetBuilt', data: result };
const failed: TrainingSetEvent = { type: 'TrainingSetFailed', data: { code: 'MR_FEATURES_SPINE', message: 'no rows' } };

const given = (...events: readonly TrainingSetEvent[]): TrainingSetState =>
  events.reduce(
    (state, event, index) =>
      trainingSet.evolve(state, event, { subject: 'training-set/t', sequence: index + 1, time: index + 1, actor: 'a' }),
    trainingSet.initial(),
  );
const decide = (state: TrainingSetState, command: TrainingSetCommand): unknown => trainingSet.decide(command, state, { now: 1 } as never);

describe('a training set', () => {
  test('is requested once, and again only after it failed', () => {
    const command: TrainingSetCommand = { type: 'RequestTrainingSet', request };
    expect(decide(given(), command)).toMatchObject({ kind: 'accept', event: requested });
    expect(decide(given(requested), command)).toMatchObject({ kind: 'unchanged' });
    expect(decide(given(requested, built), command)).toMatchObject({ kind: 'unchanged' });
    expect(decide(given(requested, failed), command)).toMatchObject({ kind: 'accept', event: requested });
  });

  test('is built once; the same bytes say nothing new, others are refused', () => {
    const complete = (sha256: string): TrainingSetCommand => ({ type: 'CompleteTrainingSet', result: { ...result, sha256 } });
    expect(decide(given(requested), complete('aa'))).toMatchObject({ kind: 'accept', event: built });
    expect(decide(given(requested, built), complete('aa'))).toMatchObject({ kind: 'unchanged' });
    expect(decide(given(requested, built), complete('bb'))).toMatchObject({
      kind: 'reject',
      rejection: { code: 'MR_FEATURES_TRAINING_SET_DIFFERS' },
    });
    expect(decide(given(), complete('aa'))).toMatchObject({ kind: 'reject', rejection: { code: 'MR_FEATURES_TRAINING_SET_NOT_FOUND' } });
  });

  test('what one process has built is not undone by another that failed', () => {
    const command: TrainingSetCommand = { type: 'FailTrainingSet', failure: failed.data };
    expect(decide(given(requested), command)).toMatchObject({ kind: 'accept', event: failed });
    expect(decide(given(requested, built), command)).toMatchObject({ kind: 'unchanged' });
    expect(decide(given(requested, failed, requested, built), command)).toMatchObject({ kind: 'unchanged' });
  });

  test('built after it failed and was asked for again', () => {
    expect(given(requested, failed, requested, built)).toEqual({ status: 'built', request, requestedAt: 3, result, builtAt: 4 });
  });
});
