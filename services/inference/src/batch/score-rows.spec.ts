import { expect, test } from '@jest/globals';
import { Refusal } from '../domain/refusal.js';
import type { RunRequest } from '../runner/batching-queue.js';
import type { BatchRow } from './read-rows.js';
import { scoreRows, type ScoringOptions } from './score-rows.js';

/** A model whose queue is busy for the first `busy` runs of a job; how it was asked. */
async function scored(busy: number) {
  const asked: RunRequest[] = [];
  const queue = {
    run: (request: RunRequest) => {
      asked.push(request);
      if (asked.length <= busy) return Promise.reject(new Refusal('MR_INFERENCE_DEADLINE', 'the deadline passed in the queue'));
      return Promise.resolve({
        outputs: request.inputs.map((input) => ({ ...input, name: 'y' })),
        batchRows: 2,
        queuedMs: 0,
        computeMs: 0,
      });
    },
  };
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }] as const;
  const options = {
    request: { runRows: 2, outputs: ['y'], onRowError: 'column' },
    model: { queue },
    layout: { inputs, features: undefined },
    columns: [{ name: 'y', type: 'Float32', isList: false }],
    elapsed: () => 1000,
    timeoutMs: 50,
    ran: () => undefined,
  } as unknown as ScoringOptions;
  const rows = [1, 2, 3, 4].map((value, row): BatchRow => ({ row, values: new Map([['x', value]]) }));
  const outcome = await scoreRows(options, rows).then(
    (done) => done.length,
    (error: Refusal) => error.code,
  );
  return { outcome, asked: asked.map(({ priority, deadline, isAlone }) => [priority, deadline, isAlone]) };
}

test('runs of a job come after everybody who waits for an answer', async () => {
  expect(await scored(0)).toEqual({
    outcome: 4,
    asked: [
      [10, 1050, true],
      [10, 1050, true],
    ],
  });
});

test('a run that had no turn for so long goes in line with the others, and the job fails only when that does not help', async () => {
  expect(await scored(1)).toEqual({
    outcome: 4,
    asked: [
      [10, 1050, true],
      [5, 1050, true],
      [10, 1050, true],
    ],
  });
  expect((await scored(2)).outcome).toBe('MR_INFERENCE_DEADLINE');
});
