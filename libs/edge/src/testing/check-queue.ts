import type { PredictionQueue, QueuedPrediction, RefusedPrediction } from '../core/prediction-queue.js';

export function queuedPrediction(index: number): QueuedPrediction {
  const of = {
    model: 'towns',
    version: 1,
    digest: null,
    graph: 'ab'.repeat(32),
    deployment: null,
    session: 'session-1',
    runner: 'web' as const,
  };
  const row = { unit: null, inputs: { x: [index, 0.5] }, features: null, outputs: { y: index }, error: null };
  return { id: `prediction-${index}`, time: 1_000 + index, of, ...row, latencyMicros: 12 };
}

export function refusedPrediction(index: number, reason = 'no'): RefusedPrediction {
  return { id: `prediction-${index}`, reason, prediction: queuedPrediction(index) };
}

/**
 * The contract of a queue, for Node and, as it needs no test tool, for a page of a real browser. `open` gives the same queue each time, with the limit
 * asked for; it begins empty. Gives what does not hold.
 */
export async function checkQueue(open: (limit: number) => Promise<PredictionQueue>): Promise<string[]> {
  const broken: string[] = [];
  const expect = (what: string, found: unknown, wanted: unknown): void => {
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      broken.push(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
  };
  const ids = async (queue: PredictionQueue, count = 100): Promise<string[]> => (await queue.oldest(count)).map(({ id }) => id);
  const named = (...numbers: number[]): string[] => numbers.map((number) => `prediction-${number}`);

  const queue = await open(5);
  expect('a new queue', await queue.counts(), { waiting: 0, sent: 0, dropped: 0, refused: 0 });
  expect('nothing waits', await ids(queue), []);
  await Promise.all([0, 1, 2, 3, 4].map((index) => queue.add(queuedPrediction(index))));
  expect('in the order they came', await ids(queue), named(0, 1, 2, 3, 4));
  expect('as many as are asked for', await ids(queue, 2), named(0, 1));
  expect('as it was put in', (await queue.oldest(1))[0], queuedPrediction(0));
  await queue.add(queuedPrediction(5));
  await queue.add(queuedPrediction(6));
  expect('the oldest give way', await ids(queue), named(2, 3, 4, 5, 6));
  expect('and are counted', await queue.counts(), { waiting: 5, sent: 0, dropped: 2, refused: 0 });
  await queue.settle({ sent: named(0, 2, 4), refused: [refusedPrediction(5)] });
  expect('what is done is gone', await ids(queue), named(3, 6));
  expect('what was dropped was not sent', await queue.counts(), { waiting: 2, sent: 2, dropped: 2, refused: 1 });
  await queue.settle({ sent: named(2, 4), refused: [refusedPrediction(5)] });
  expect('twice is once', await queue.counts(), { waiting: 2, sent: 2, dropped: 2, refused: 1 });
  const again = await open(5);
  expect('opened again it is the same', await ids(again), named(3, 6));
  expect('with its counts', await again.counts(), { waiting: 2, sent: 2, dropped: 2, refused: 1 });
  expect('and its device', again.device, queue.device);
  expect('what was refused waits once more', await again.retryRefused(), 1);
  expect('behind the others', await ids(again), named(3, 6, 5));
  expect('as it was', (await again.oldest(3))[2], queuedPrediction(5));
  expect('and is refused no more', await again.counts(), { waiting: 3, sent: 2, dropped: 2, refused: 0 });
  expect('nothing lies aside then', await again.retryRefused(), 0);
  await again.settle({ sent: [], refused: [3, 6, 5].map((index) => refusedPrediction(index)) });
  for (let index = 7; index < 10; index++) await again.add(queuedPrediction(index));
  await again.settle({ sent: [], refused: [7, 8, 9].map((index) => refusedPrediction(index)) });
  expect('no more lie aside than may wait', await again.counts(), { waiting: 0, sent: 2, dropped: 3, refused: 5 });
  expect('the newest of them', [await again.retryRefused(), await ids(again)], [5, named(6, 5, 7, 8, 9)]);
  return broken;
}
