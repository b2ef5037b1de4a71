import { describe, expect, test } from '@jest/globals';
import { checkEvent, TOPICS, type inference } from '@millrace/contracts';
import { historyLines, historyOf, type Same } from '@millrace/contracts/testing';
import { foldHistory } from '@millrace/kernel/testing';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { batchJob } from './domain/batch-job/batch-job.decider.js';
import type * as jobs from './domain/batch-job/batch-job.events.js';

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<inference.BatchJobRequested, jobs.BatchJobRequested>,
  true satisfies Same<inference.BatchChunkScored, jobs.BatchChunkScored>,
  true satisfies Same<inference.BatchJobCompleted, jobs.BatchJobCompleted>,
  true satisfies Same<inference.BatchJobFailed, jobs.BatchJobFailed>,
  true satisfies Same<inference.BatchJobCancelled, jobs.BatchJobCancelled>,
];

const SCHEMAS = join(import.meta.dirname, '../../../schemas/inference');

const history = historyLines('inference', 'batch-job');

describe('the decisions of inference and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test('every decision is in a history', () => {
    const facts: readonly string[] = [...TOPICS.predictions.types, ...TOPICS.labels.types];
    const decisions = readdirSync(SCHEMAS).filter((name) => /^[A-Z]/.test(name) && !facts.includes(name));
    expect(new Set(history.map(({ type }) => type))).toEqual(new Set(decisions));
  });

  test('an old history folds to what it always did', () => {
    for (const { type, version, data } of history) expect(checkEvent('inference', type, version, data)).toBeUndefined();
    const { state, digests } = foldHistory(batchJob, 'batch-job/7c1a', historyOf('inference', 'batch-job') as never);
    expect(state).toMatchObject({
      status: 'completed',
      request: history[0]?.data,
      ...{ attempt: 3, requestedAt: 7, seenAt: 11, endedAt: 11, rows: 25_000, failed: 2 },
      chunks: history.slice(7, 10).map(({ data }) => data),
      result: history[10]?.data,
      failure: null,
    });
    expect(digests).toEqual([
      '965de9902f64',
      'e14aeb83be9b',
      '38e681502e68',
      '9e4fc2e39555',
      '4d6644ce3ec9',
      '062cddd41774',
      'dcf70999561c',
      '665d0baabd44',
      'a58aa577ad11',
      '3c3768159bfa',
      'faf97dd4e166',
    ]);
  });
});
