import { expect, test } from '@jest/globals';
import { materializationText, progressText, type Materialization } from './materialize.js';

const RUN: Materialization = {
  ...{ id: 'm1', status: 'running', trigger: 'request', from: null, to: '2026-02-01T00:00:00.000Z', reached: '2026-01-08T00:00:00.000Z' },
  rows: { read: 250, appended: 200, unchanged: 49, rejected: 1, total: 1_000 },
  rejected: [{ time: '2026-01-03T00:00:00.000Z', reason: 'field fare is "x"; it must be Float64' }],
  startedAt: '2026-02-01T00:00:01.000Z',
};

test('tells how far a run is, in rows and in event time', () => {
  expect(progressText('trips', RUN)).toBe(
    'trips  250 of 1000 (25%) rows, 200 appended  at 2026-01-08T00:00:00.000Z of 2026-02-01T00:00:00.000Z',
  );
  expect(progressText('trips', { ...RUN, reached: null, rows: { ...RUN.rows, total: null } })).toBe(
    'trips  250 rows, 200 appended  at the first row of 2026-02-01T00:00:00.000Z',
  );
});

test('tells what was rejected and how it ended', () => {
  expect(materializationText('trips', { ...RUN, status: 'failed', error: 'no table' })).toBe(
    'rejected: field fare is "x"; it must be Float64 (at 2026-01-03T00:00:00.000Z)\n' +
      'materialization m1 of trips is failed: no table; 250 rows read, 200 appended, 49 unchanged, 1 rejected\n',
  );
  expect(materializationText('trips', { ...RUN, rows: { ...RUN.rows, rejected: 9 } })).toContain('rejected: and others\n');
});
