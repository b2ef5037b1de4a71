import { describe, expect, test } from '@jest/globals';
import { checkEvent, OUTPUTS, TOPICS, type inference } from '@millrace/contracts';
import { type Same, eventTypes, historyLines, historyOf } from '@millrace/contracts/testing';
import { foldHistory } from '@millrace/kernel/testing';
import { batchJob } from './domain/batch-job/batch-job.decider.js';
import type * as jobs from './domain/batch-job/batch-job.events.js';
import { rollout } from './domain/rollout/rollout.decider.js';
import type * as rollouts from './domain/rollout/rollout.events.js';
import { stream } from './domain/stream/stream.decider.js';
import type * as streams from './domain/stream/stream.events.js';
import type { StreamPredicted } from './domain/stream/stream-output.js';

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<inference.RolloutStarted, rollouts.RolloutStarted>,
  true satisfies Same<inference.RolloutAdvanced, rollouts.RolloutAdvanced>,
  true satisfies Same<inference.RolloutHeld, rollouts.RolloutHeld>,
  true satisfies Same<inference.RolloutRolledBack, rollouts.RolloutRolledBack>,
  true satisfies Same<inference.RolloutReweighted, rollouts.RolloutReweighted>,
  true satisfies Same<inference.RolloutPaused, rollouts.RolloutPaused>,
  true satisfies Same<inference.RolloutResumed, rollouts.RolloutResumed>,
  true satisfies Same<inference.RolloutWithdrawn, rollouts.RolloutWithdrawn>,
  true satisfies Same<inference.BatchJobRequested, jobs.BatchJobRequested>,
  true satisfies Same<inference.BatchChunkScored, jobs.BatchChunkScored>,
  true satisfies Same<inference.BatchJobCompleted, jobs.BatchJobCompleted>,
  true satisfies Same<inference.BatchJobFailed, jobs.BatchJobFailed>,
  true satisfies Same<inference.BatchJobCancelled, jobs.BatchJobCancelled>,
  true satisfies Same<inference.BatchOutputDeleted, jobs.BatchOutputDeleted>,
  true satisfies Same<inference.StreamStarted, streams.StreamStarted>,
  true satisfies Same<inference.StreamProgressed, streams.StreamProgressed>,
  true satisfies Same<inference.StreamPredicted, StreamPredicted>,
];

const rolloutHistory = historyLines('inference', 'rollout');
const jobHistory = historyLines('inference', 'batch-job');
const streamHistory = historyLines('inference', 'stream');
const histories = [...rolloutHistory, ...jobHistory, ...streamHistory];

describe('the decisions of inference and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test('every decision is in a history', () => {
    const facts: readonly string[] = [TOPICS.predictions, TOPICS.labels, TOPICS.shadows, TOPICS.servingChecks, OUTPUTS].flatMap(
      ({ types }) => [...types],
    );
    const decisions = eventTypes('inference').filter((name) => !facts.includes(name));
    expect(new Set(histories.map(({ type }) => type))).toEqual(new Set(decisions));
  });

  test('old events still fit their schemas', () => {
    for (const { type, version, data } of histories) expect(checkEvent('inference', type, version, data)).toBeUndefined();
  });

  test('an old history of a rollout folds to what it always did', () => {
    const { state, digests } = foldHistory(rollout, 'rollout/delay-v2', historyOf('inference', 'rollout') as never);
    expect(state).toMatchObject({ status: 'running', run: 3, version: 3, share: 0.05, startedAt: 11, arms: { candidate: { version: 3 } } });
    expect(digests).toEqual([
      '0fd61a8e881d',
      '71be66ad18ef',
      'c9195e240ab7',
      'dcaa0933b064',
      'b891ccfff4aa',
      '793d471f03b4',
      '49b8d22755cf',
      '1f1c18dd19b7',
      '2132b76c8c55',
      '49eade028f53',
      '2e01e2942de9',
    ]);
  });

  test('an old history of a batch job folds to what it always did', () => {
    const { state, digests } = foldHistory(batchJob, 'batch-job/7c1a', historyOf('inference', 'batch-job') as never);
    expect(state).toMatchObject({
      status: 'completed',
      request: jobHistory[0]?.data,
      ...{ attempt: 3, requestedAt: 7, seenAt: 11, endedAt: 11, rows: 25_000, failed: 2 },
      chunks: jobHistory.slice(7, 10).map(({ data }) => data),
      result: jobHistory[10]?.data,
      failure: null,
      deletedAt: 12,
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
      '2455eabe2383',
    ]);
  });

  test('an old history of a stream folds to what it always did', () => {
    const { state, digests } = foldHistory(stream, 'stream/delay_stream', historyOf('inference', 'stream') as never);
    expect(state).toMatchObject({ status: 'started', ...(streamHistory[3]?.data as object), startedAt: 4, progressed: { 0: 1000 } });
    expect(digests).toEqual(['8653e6725a0b', 'da81bb6183b8', 'bbedf0c943ab', '222a297a4eec', '304d3ce40b4e']);
  });
});
