import { checkEvent, type features } from '@millrace/contracts';
import { historyLines, historyOf, type Same } from '@millrace/contracts/testing';
import { foldHistory } from '@millrace/kernel/testing';
import { describe, expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { materialization } from './domain/materialization/materialization.decider.js';
import type * as runs from './domain/materialization/materialization.events.js';
import { trainingSet } from './domain/training-set/training-set.decider.js';
import type * as events from './domain/training-set/training-set.events.js';

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<features.TrainingSetRequested, events.TrainingSetRequested>,
  true satisfies Same<features.TrainingSetBuilt, events.TrainingSetBuilt>,
  true satisfies Same<features.TrainingSetFailed, events.TrainingSetFailed>,
  true satisfies Same<features.MaterializationStarted, runs.MaterializationStarted>,
  true satisfies Same<features.MaterializationTakenOver, runs.MaterializationTakenOver>,
  true satisfies Same<features.MaterializationProgressed, runs.MaterializationProgressed>,
  true satisfies Same<features.MaterializationFinished, runs.MaterializationFinished>,
  true satisfies Same<features.MaterializationFailed, runs.MaterializationFailed>,
  true satisfies Same<features.MaterializationCancelled, runs.MaterializationCancelled>,
];

const SCHEMAS = join(import.meta.dirname, '../../../schemas/features');

const history = historyLines('features', 'training-set');
const runHistory = historyLines('features', 'materialization');

describe('the events of features and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test('every decision is in the history', () => {
    const types = readdirSync(SCHEMAS).filter((name) => /^[A-Z]/.test(name));
    expect(new Set([...history, ...runHistory].map(({ type }) => type))).toEqual(new Set(types));
  });

  test('an old history folds to what it always did', () => {
    for (const { type, version, data } of history) expect(checkEvent('features', type, version, data)).toBeUndefined();
    const { state, digests } = foldHistory(trainingSet, 'training-set/0b8f', historyOf('features', 'training-set') as never);
    expect(state).toEqual({
      status: 'built',
      request: history[0]?.data,
      requestedAt: 3,
      result: history[3]?.data,
      builtAt: 4,
    });
    expect(digests).toEqual(['8582352c6dcc', 'bd3093521c2c', '1981c00793ed', 'f1afb478664b']);
  });

  test('an old history of materializations folds to what it always did', () => {
    for (const { type, version, data } of runHistory) expect(checkEvent('features', type, version, data)).toBeUndefined();
    const { state, digests } = foldHistory(materialization, 'materialization/drivers', historyOf('features', 'materialization') as never);
    expect(state).toEqual({});
    expect(digests).toEqual([]);
  });
});
