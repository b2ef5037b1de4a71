import { expect, test } from '@jest/globals';
import type { Item, LoggedFact } from '@millrace/event-log';
import type { PredictionMade, ShadowAnswered } from '../domain/prediction/prediction.js';
import { predictionRepeats } from './prediction-repeats.js';
import { shadowRepeats } from './shadow-repeats.js';

type Change = Partial<Pick<PredictionMade, 'variant' | 'error' | 'stream' | 'mayRepeat' | 'edge'>>;
const FAILED = { code: 'MR_INFERENCE_CRASHED', message: '' };
const again = { stream: 's', mayRepeat: true } as const;

/** Of an empty table: what was put in before is known from the batches alone. Gives the offsets that are repeats, batch by batch. */
async function repeatsOf(...batches: (readonly [id: string, change: Change])[][]): Promise<{ repeats: number[][]; asked: number }> {
  let asked = 0;
  let offset = 0;
  const repeats = predictionRepeats({
    query: () => {
      asked++;
      return Promise.resolve([]);
    },
  });
  const found: number[][] = [];
  for (const batch of batches) {
    const items = batch.map(([predictionId, change]) => {
      const data = { predictionId, variant: null, error: null, ...change };
      return { record: { partition: 0, offset: offset++ }, value: { data } } as unknown as Item<LoggedFact<PredictionMade>>;
    });
    await repeats.prepare({ topic: 't', partition: 0, items, nextOffset: offset, end: offset });
    found.push(items.filter((item) => repeats.isRepeat(item)).map(({ record }) => record.offset));
    repeats.stored(0, offset);
  }
  return { repeats: found, asked };
}

test('the table is asked for what may be a repeat, and never for what the gateway answered', async () => {
  expect(
    await repeatsOf(
      [
        ['a', {}],
        ['a', {}],
      ],
      [['b', { stream: 's' }]],
    ),
  ).toEqual({ repeats: [[], []], asked: 0 });
  expect(
    await repeatsOf(
      [
        ['b', { stream: 's' }],
        ['b', again],
      ],
      [['b', again]],
    ),
  ).toEqual({ repeats: [[1], [2]], asked: 2 });
});

test('what the gateway tells again after an append that was not answered counts once of each variant, the first in the table or just before', async () => {
  const told = { mayRepeat: true } as const;
  const { repeats, asked } = await repeatsOf(
    [
      ['a', {}],
      ['a', told],
      ['b', { variant: 'champion' }],
      ['b', { variant: 'candidate', ...told }],
    ],
    [
      ['a', told],
      ['b', { variant: 'candidate', ...told }],
      ['c', told],
    ],
  );
  expect([repeats, asked]).toEqual([[[1], [4, 5]], 2]);
  const table = predictionRepeats({
    query: () => Promise.resolve([{ id: 'd', variant: 'champion', error: '', source: 'gateway', first: 7 }]) as never,
  });
  const items = ['champion', 'candidate'].map((variant, index) => {
    const data = { predictionId: 'd', variant, error: null, ...told };
    return { record: { partition: 0, offset: 90_000 + index }, value: { data } } as unknown as Item<LoggedFact<PredictionMade>>;
  });
  await table.prepare({ topic: 't', partition: 0, items, nextOffset: 90_002, end: 90_002 });
  expect(items.map((item) => table.isRepeat(item))).toEqual([true, false]);
});

test('an answer counts once whichever variant gave it, and an error once of its kind, beside the answer', async () => {
  const failed = { ...again, variant: 'candidate', error: FAILED };
  const { repeats } = await repeatsOf([['a', failed]], [['a', failed]], [['a', { ...again, variant: 'candidate' }]], [['a', again]]);
  expect(repeats).toEqual([[], [1], [], [3]]);
});

test('who had an event before and tells of it later does not know that it is a repeat', async () => {
  expect((await repeatsOf([['a', again]], [['b', {}]], [['a', { stream: 's' }]])).repeats).toEqual([[], [], [2]]);
});

test('of what was mirrored of a stream one answer counts in each run of a rollout, and what is in the table is asked for where it may be a repeat', async () => {
  const asked: unknown[] = [];
  const repeats = shadowRepeats({
    query: (_sql, parameters) => {
      asked.push(parameters);
      return Promise.resolve([{ id: 'old', rollout: 'r', run: 1, first: 3 }]) as never;
    },
  });
  const facts = [
    { predictionId: 'a', run: 1 },
    { predictionId: 'a', run: 1 },
    { predictionId: 'b', run: 1, stream: 's' },
    { predictionId: 'b', run: 1, ...again },
    { predictionId: 'b', run: 2, ...again },
    { predictionId: 'old', run: 1, ...again },
    { predictionId: 'old', run: 2, ...again },
  ];
  const items = facts.map((data, index) => {
    return { record: { partition: 0, offset: 10 + index }, value: { data: { rollout: 'r', ...data } } } as unknown as Item<
      LoggedFact<ShadowAnswered>
    >;
  });
  await repeats.prepare({ topic: 't', partition: 0, items, nextOffset: 17, end: 17 });
  expect(items.filter((item) => repeats.isRepeat(item)).map(({ record }) => record.offset)).toEqual([13, 15]);
  expect(asked).toEqual([{ partition: 0, ids: ['b', 'old'], rollouts: ['r'] }]);
});
