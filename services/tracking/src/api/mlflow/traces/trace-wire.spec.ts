import { expect, test } from '@jest/globals';
import type { Trace } from '../../../domain/trace/trace.js';
import { traceInfoJson } from './trace-wire.js';

const TRACE: Trace = {
  ...{ traceId: 'tr-1', experimentId: '1', requestTime: 0, executionMs: null, state: 'IN_PROGRESS' },
  ...{ clientRequestId: null, requestPreview: null, responsePreview: null },
  ...{ metadata: new Map(), tags: new Map(), runs: new Set(), assessments: new Map(), spans: new Map() },
  ...{ isTold: true, isDeleted: false },
};

test.each([
  [1000, '1970-01-01T00:00:01.000Z'],
  // A client may say any number, and a trace is no less readable for it.
  [Number.MAX_SAFE_INTEGER, null],
])('a trace that began at %d is shown', (requestTime, text) => {
  expect(traceInfoJson({ ...TRACE, requestTime })).toMatchObject({ trace_id: 'tr-1', request_time: text });
});
