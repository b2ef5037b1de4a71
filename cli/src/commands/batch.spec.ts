import { expect, test } from '@jest/globals';
import { batchText, progressText, type BatchJob } from './batch.js';

const JOB: BatchJob = {
  ...{ id: 'b1', status: 'running', deployment: null, model: 'delay', version: 3, requestedAt: '2026-02-01T00:00:01.000Z', endedAt: null },
  progress: { stage: 'scoring', rows: 250, failedRows: 0, totalRows: 1_000, chunks: 1, totalChunks: 4 },
};

test('tells how far a job is', () => {
  expect(progressText(JOB)).toBe('delay/3  scoring  250 of 1000 rows (25%)');
  expect(progressText({ ...JOB, progress: { ...JOB.progress, failedRows: 2 } })).toBe('delay/3  scoring  250 of 1000 rows (25%), 2 failed');
});

test('tells how it ended and where the output is', () => {
  const output = { bytes: 10, table: 'millrace.batch_job_b1', uri: 'file:///b1/data.parquet' };
  expect(batchText({ ...JOB, status: 'completed', output })).toBe(
    'batch job b1 of delay/3 is completed; 250 of 1000 rows scored, 0 failed; file:///b1/data.parquet, millrace.batch_job_b1\n',
  );
  expect(batchText({ ...JOB, status: 'completed', output: { ...output, table: null } }, 'out.parquet')).toContain('; out.parquet\n');
  expect(batchText({ ...JOB, status: 'failed', error: 'row 3: no' })).toBe(
    'batch job b1 of delay/3 is failed: row 3: no; 250 of 1000 rows scored, 0 failed\n',
  );
  // A file that is not there, or is an older job's, must not be taken for this one's.
  expect(batchText({ ...JOB, status: 'cancelled' }, 'out.parquet')).toMatch(/ is cancelled; .*; out\.parquet was not written\n$/);
});
