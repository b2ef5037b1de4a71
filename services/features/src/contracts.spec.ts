import { checkEvent, TOPICS, type features } from '@millrace/contracts';
import { type Same, eventTypes, historyLines, historyOf } from '@millrace/contracts/testing';
import { foldHistory } from '@millrace/kernel/testing';
import { describe, expect, test } from '@jest/globals';
import { materialization } from './domain/materialization/materialization.decider.js';
import type * as runs from './domain/materialization/materialization.events.js';
import { trainingSet } from './domain/training-set/training-set.decider.js';
import type { FeaturesRead } from './domain/read/features-read.js';
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
  true satisfies Same<features.FeaturesRead, FeaturesRead>,
];

const history = historyLines('features', 'training-set');
const runHistory = historyLines('features', 'materialization');

describe('the events of features and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test('every decision is in the history', () => {
    const facts: readonly string[] = TOPICS.featureReads.types;
    const types = eventTypes('features').filter((name) => !facts.includes(name));
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
    const none = { read: 0, appended: 0, unchanged: 0, rejected: 0 };
    const first = runHistory[3]?.data as { rows: object; rejected: readonly object[] };
    const run = { from: null, to: 1767225600000, actor: 'ann', runner: '0197-b' };
    expect(state).toEqual({
      watermark: { version: 1, at: 1 },
      count: 3,
      runs: [
        {
          ...{ ...run, id: '5d1c', version: 1, trigger: 'request', status: 'finished', failure: null },
          ...{ reached: 1767139200000, rows: first.rows, rejected: first.rejected, startedAt: 1, seenAt: 5, endedAt: 5 },
        },
        {
          ...{ ...run, id: '5d1e', version: 2, from: 0, trigger: 'schedule', status: 'failed', reached: null, rows: none, rejected: [] },
          ...{ startedAt: 6, seenAt: 7, endedAt: 7 },
          failure: { code: 'MR_FEATURES_BATCH', message: 'the query of source drivers gives no column fare' },
        },
        {
          ...{ ...run, id: '5d1f', version: 2, trigger: 'request', status: 'cancelled', reached: null, rows: none, rejected: [] },
          ...{ startedAt: 8, seenAt: 9, endedAt: 9, failure: null },
        },
      ],
    });
    expect(digests).toEqual([
      'affd550f89ca',
      '714dd532effe',
      'b12983a153a5',
      'ef4f955267e8',
      'dcd9926a238d',
      '42640bb2e52e',
      'b6acf8f4e4c8',
      '4f9f4bbcf85a',
      '2ecd39b189d3',
    ]);
  });
});
