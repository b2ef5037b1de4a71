import { describe, expect, test } from '@jest/globals';
import { batchJob, chunksOf, type BatchJobCommand, type BatchJobState } from './batch-job.decider.js';
import type { BatchChunkScored, BatchJobCompleted, BatchJobEvent, BatchJobRequested } from './batch-job.events.js';

const request = { batchJobId: 'j', rows: 25, chunkRows: 10 } as unknown as BatchJobRequested;
const chunk = (number: number, rows = 10, failed = 0): BatchChunkScored => ({
  chunk: number,
  rows,
  failed,
  path: `c${number}`,
  bytes: 1,
  sha256: `s${number}`,
});
const requested: BatchJobEvent = { type: 'BatchJobRequested', data: request };
const scored = (number: number, rows?: number, failed?: number): BatchJobEvent => ({
  type: 'BatchChunkScored',
  data: chunk(number, rows, failed),
});
const result: Omit<BatchJobCompleted, 'rows' | 'failed'> = { columns: [], path: 'p', bytes: 1, sha256: 'aa', table: null };
const completed: BatchJobEvent = { type: 'BatchJobCompleted', data: { rows: 25, failed: 2, ...result } };
const cancelled: BatchJobEvent = { type: 'BatchJobCancelled', data: { rows: 10, failed: 1 } };
const deleted: BatchJobEvent = { type: 'BatchOutputDeleted', data: { path: 'p', bytes: 1, table: null } };
const failure = { code: 'MR_X', message: 'no', row: 12 };
const failed: BatchJobEvent = { type: 'BatchJobFailed', data: { ...failure, rows: 10, failed: 0 } };
const all = [requested, scored(0, 10, 1), scored(1, 10, 1), scored(2, 5)];

const given = (...events: readonly BatchJobEvent[]): BatchJobState =>
  events.reduce(
    (state, event, index) => batchJob.evolve(state, event, { subject: 'batch-job/j', sequence: index + 1, time: index + 1, actor: 'a' }),
    batchJob.initial(),
  );
const decide = (state: BatchJobState, command: BatchJobCommand): unknown => batchJob.decide(command, state, { now: 1 } as never);
const rejected = (code: string): object => ({ kind: 'reject', rejection: { code: `MR_INFERENCE_BATCH_JOB_${code}` } });

describe('a batch job', () => {
  test('is requested once, and again only after it failed or was cancelled', () => {
    const command: BatchJobCommand = { type: 'RequestBatchJob', request };
    expect(decide(given(), command)).toMatchObject({ kind: 'accept', event: requested });
    expect(decide(given(requested), command)).toMatchObject({ kind: 'unchanged' });
    expect(decide(given(...all, completed), command)).toMatchObject({ kind: 'unchanged' });
    for (const end of [failed, cancelled])
      expect(decide(given(requested, end), command)).toMatchObject({ kind: 'accept', event: requested });
    expect(given(requested, scored(0), cancelled, requested)).toMatchObject({
      status: 'running',
      attempt: 2,
      chunks: [],
      rows: 0,
      endedAt: null,
    });
  });

  test('has its output deleted once, and is computed anew when it is asked for again', () => {
    const command: BatchJobCommand = { type: 'DeleteBatchOutput' };
    expect(decide(given(...all, completed), command)).toMatchObject({ kind: 'accept', event: deleted });
    const without = given(...all, completed, deleted);
    expect(without).toMatchObject({ status: 'completed', deletedAt: 6, result: { sha256: 'aa' } });
    expect(decide(without, command)).toMatchObject({ kind: 'unchanged' });
    expect(decide(without, { type: 'RequestBatchJob', request })).toMatchObject({ kind: 'accept', event: requested });
    expect(given(...all, completed, deleted, requested)).not.toHaveProperty('deletedAt');
    expect(decide(given(), command)).toMatchObject(rejected('NOT_FOUND'));
    expect(decide(given(requested), command)).toMatchObject(rejected('RUNNING'));
    expect(decide(given(requested, failed), command)).toMatchObject(rejected('WITHOUT_DATA'));
  });

  test('takes chunks in their order; the first of a number stands', () => {
    const score = (number: number, attempt = 1): BatchJobCommand => ({ type: 'ScoreBatchChunk', attempt, scored: chunk(number) });
    expect(chunksOf(request)).toBe(3);
    expect(decide(given(requested), score(0))).toMatchObject({ kind: 'accept', event: scored(0) });
    expect(decide(given(requested, scored(0)), score(0))).toMatchObject({ kind: 'unchanged' });
    expect(decide(given(requested, scored(0)), score(2))).toMatchObject(rejected('DIFFERS'));
    expect(decide(given(...all), score(3))).toMatchObject(rejected('DIFFERS'));
    expect(decide(given(requested, cancelled), score(0))).toMatchObject(rejected('OVER'));
    // What a process of the attempt before still brings is not of this one.
    expect(decide(given(requested, cancelled, requested), score(0, 1))).toMatchObject(rejected('OVER'));
    expect(decide(given(), score(0))).toMatchObject(rejected('NOT_FOUND'));
  });

  test('is completed with the numbers of its chunks, when it has all of them', () => {
    const complete = (sha256 = 'aa', attempt = 1): BatchJobCommand => ({
      type: 'CompleteBatchJob',
      attempt,
      result: { ...result, sha256 },
    });
    expect(decide(given(requested, scored(0)), complete())).toMatchObject(rejected('DIFFERS'));
    expect(decide(given(...all), complete())).toMatchObject({ kind: 'accept', event: completed });
    expect(decide(given(...all, completed), complete())).toMatchObject({ kind: 'unchanged' });
    expect(decide(given(...all, completed), complete('bb'))).toMatchObject(rejected('OVER'));
    expect(given(...all, completed)).toMatchObject({
      status: 'completed',
      rows: 25,
      failed: 2,
      requestedAt: 1,
      endedAt: 5,
      result: { table: null },
    });
  });

  test('fails and is cancelled with what it had scored, and not after its end', () => {
    const fail: BatchJobCommand = { type: 'FailBatchJob', attempt: 1, failure };
    expect(decide(given(requested, scored(0)), fail)).toMatchObject({ kind: 'accept', event: failed });
    expect(decide(given(...all, completed), fail)).toMatchObject(rejected('OVER'));
    expect(decide(given(requested, scored(0, 10, 1)), { type: 'CancelBatchJob' })).toMatchObject({ kind: 'accept', event: cancelled });
    expect(decide(given(requested, cancelled), { type: 'CancelBatchJob' })).toMatchObject({ kind: 'unchanged' });
    expect(decide(given(requested, failed), { type: 'CancelBatchJob' })).toMatchObject(rejected('OVER'));
    expect(decide(given(), { type: 'CancelBatchJob' })).toMatchObject(rejected('NOT_FOUND'));
  });
});
